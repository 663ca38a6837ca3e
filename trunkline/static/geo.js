// Distances and directions on the ground, and how they are said. Points are { lat, lon } in degrees (WGS 84).
import { language, t } from "/static/words.js";

const EARTH_M = 6_371_008.8;
const RAD = Math.PI / 180;

/** Metres along the great circle. */
export function distance(from, to) {
  const half = (angle) => Math.sin(angle / 2) ** 2;
  const across = half((to.lat - from.lat) * RAD) + Math.cos(from.lat * RAD) * Math.cos(to.lat * RAD) * half((to.lon - from.lon) * RAD);
  return 2 * EARTH_M * Math.asin(Math.min(1, Math.sqrt(across)));
}

/** Degrees from north, clockwise, at which `to` is seen from `from`. */
export function bearing(from, to) {
  const turn = (to.lon - from.lon) * RAD;
  const east = Math.sin(turn) * Math.cos(to.lat * RAD);
  const north = Math.cos(from.lat * RAD) * Math.sin(to.lat * RAD) - Math.sin(from.lat * RAD) * Math.cos(to.lat * RAD) * Math.cos(turn);
  return (Math.atan2(east, north) / RAD + 360) % 360;
}

/** "260 m" or "1.4 km": no finer than anybody can walk. */
export function metres(length) {
  const rounded = length < 100 ? Math.round(length) : length < 1000 ? Math.round(length / 10) * 10 : Math.round(length / 100) * 100;
  const [value, unit] = rounded < 1000 ? [rounded, "meter"] : [rounded / 1000, "kilometer"];
  return new Intl.NumberFormat(language, { style: "unit", unit, maximumFractionDigits: 1 }).format(value);
}

/** Which eighth of the compass: 0 is north, 1 north-east. */
export function eighth(degrees) {
  return Math.round(degrees / 45) % 8;
}

/** Where to go from where one stands: "260 m to the north-east". */
export function wayTo(from, to) {
  const far = metres(distance(from, to));
  return [
    t("{distance} to the north", { distance: far }),
    t("{distance} to the north-east", { distance: far }),
    t("{distance} to the east", { distance: far }),
    t("{distance} to the south-east", { distance: far }),
    t("{distance} to the south", { distance: far }),
    t("{distance} to the south-west", { distance: far }),
    t("{distance} to the west", { distance: far }),
    t("{distance} to the north-west", { distance: far }),
  ][eighth(bearing(from, to))];
}

/** Where the courier is, as the owner of the car reads it. */
export function courierFrom(car, courier) {
  const far = metres(distance(car, courier));
  return [
    t("The courier is {distance} north of the car.", { distance: far }),
    t("The courier is {distance} north-east of the car.", { distance: far }),
    t("The courier is {distance} east of the car.", { distance: far }),
    t("The courier is {distance} south-east of the car.", { distance: far }),
    t("The courier is {distance} south of the car.", { distance: far }),
    t("The courier is {distance} south-west of the car.", { distance: far }),
    t("The courier is {distance} west of the car.", { distance: far }),
    t("The courier is {distance} north-west of the car.", { distance: far }),
  ][eighth(bearing(car, courier))];
}
