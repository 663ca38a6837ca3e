// Where the phone is, and how far and in which direction the car is from there: plain geometry, no map service.
import { language, t } from "/static/words.js";

const EARTH_M = 6_371_008.8;
const PATIENCE_MS = 8_000;
const SHORT_MS = 3_000;
/** Nearer than any phone knows where it is. */
export const HERE_M = 8;
const FINE = { enableHighAccuracy: true, maximumAge: 3_000 };
let last = null;
const radians = (degrees) => (degrees * Math.PI) / 180;

/** Great-circle distance in metres between two `{ lat, lon }`. */
export function distance(one, other) {
  const [lat1, lat2] = [radians(one.lat), radians(other.lat)];
  const halfLon = radians(other.lon - one.lon) / 2;
  const chord = Math.sin((lat2 - lat1) / 2) ** 2 + Math.cos(lat1) * Math.cos(lat2) * Math.sin(halfLon) ** 2;
  return 2 * EARTH_M * Math.asin(Math.min(1, Math.sqrt(chord)));
}

/** Direction from one to the other in degrees: 0 north, 90 east. */
export function bearing(one, other) {
  const [lat1, lat2, lon] = [radians(one.lat), radians(other.lat), radians(other.lon - one.lon)];
  const east = Math.sin(lon) * Math.cos(lat2);
  const north = Math.cos(lat1) * Math.sin(lat2) - Math.sin(lat1) * Math.cos(lat2) * Math.cos(lon);
  return ((Math.atan2(east, north) * 180) / Math.PI + 360) % 360;
}

/** 7 m, 260 m, 1.4 km: as exact as it helps to find the car. */
export function length(metres) {
  const step = metres < 20 ? 1 : metres < 100 ? 5 : 10;
  const [value, unit] = metres < 995 ? [Math.round(metres / step) * step, "meter"] : [metres / 1000, "kilometer"];
  const digits = unit === "kilometer" && value < 20 ? 1 : 0;
  return new Intl.NumberFormat(language, { style: "unit", unit, maximumFractionDigits: digits }).format(value);
}

/** "260 m to the north-east". */
export function wayTo(from, to) {
  const metres = distance(from, to);
  if (metres < HERE_M) return t("right here");
  const far = { distance: length(metres) };
  switch (Math.round(bearing(from, to) / 45) % 8) {
    case 0:
      return t("{distance} to the north", far);
    case 1:
      return t("{distance} to the north-east", far);
    case 2:
      return t("{distance} to the east", far);
    case 3:
      return t("{distance} to the south-east", far);
    case 4:
      return t("{distance} to the south", far);
    case 5:
      return t("{distance} to the south-west", far);
    case 6:
      return t("{distance} to the west", far);
    default:
      return t("{distance} to the north-west", far);
  }
}

const point = ({ coords }) => ({ lat: coords.latitude, lon: coords.longitude });

function cannot(error) {
  if (error.code === error.PERMISSION_DENIED) return new Error(t("This page may not know where you are. Allow it in your browser's settings, then try again."));
  return new Error(t("Your phone does not know where it is. Go where it sees the sky, then try again."));
}

/** The phone's position as `{ lat, lon }`. Throws an Error in plain words. */
export function here() {
  return new Promise((done, failed) => {
    navigator.geolocation.getCurrentPosition(
      (found) => done(point(found)),
      // While the phone is followed each move is told: no news is no move.
      (error) => (last && error.code !== error.PERMISSION_DENIED ? done(last) : failed(cannot(error))),
      { ...FINE, timeout: last ? SHORT_MS : PATIENCE_MS },
    );
  });
}

/** Whether the person has allowed it before, so that looking asks nothing. */
export async function allowed() {
  try {
    return (await navigator.permissions.query({ name: "geolocation" })).state === "granted";
  } catch {
    return false;
  }
}

/** Call `told` with each new position; gives a function that ends it. */
export function follow(told) {
  const moved = (found) => {
    last = point(found);
    told(last);
  };
  const lost = () => {
    last = null;
  };
  const watch = navigator.geolocation.watchPosition(moved, lost, FINE);
  return () => {
    navigator.geolocation.clearWatch(watch);
    lost();
  };
}
