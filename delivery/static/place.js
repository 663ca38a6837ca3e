// Choosing where the car may stand: anywhere, or within some metres of a point; the same fields on every page.
import { element } from "/static/controls.js";
import { t } from "/static/words.js";

const NARROWEST_M = 20;
const WIDEST_M = 5_000;
const USUAL_M = 200;
const PATIENCE_MS = 15_000;

/** A place as the rules have it, in the form of a question's content. */
export function asShown(place) {
  if (place.kind === "circle") return { kind: "circle", centre: [place.centre.lat, place.centre.lon], radius_m: place.radius };
  return place;
}

/** A question's place in the form that the API takes. */
export function asWanted(place) {
  if (place.kind === "circle") return { kind: "circle", centre: { lat: Number(place.centre[0]), lon: Number(place.centre[1]) }, radius: Number(place.radius_m) };
  return place;
}

/**
 * Fields for a place in `area`; gives a function that reads them. `name`: begins the ids of the elements.
 * An area that was drawn stays one of the choices. `said`: where it is told that this device gives no position.
 */
export function placeFields(area, name, place, said) {
  const circle = place.kind === "circle" ? place : { centre: { lat: "", lon: "" }, radius: USUAL_M };
  const choice = (kind, words) =>
    element(
      "label",
      { className: "choice" },
      element("input", { type: "radio", name: "where", value: kind, checked: kind === place.kind }),
      words,
    );
  const number = (part, words, value, more) => {
    const id = `${name}-${part}`;
    return [element("label", { htmlFor: id }, words), element("input", { id, name: part, type: "number", value, ...more })];
  };
  const here = element("button", { type: "button", className: "quiet" }, t("Take the place where I am now"));
  const point = element(
    "div",
    { className: "within", hidden: place.kind !== "circle" },
    here,
    ...number("lat", t("Latitude"), circle.centre.lat, { min: -90, max: 90, step: "any", inputMode: "decimal" }),
    ...number("lon", t("Longitude"), circle.centre.lon, { min: -180, max: 180, step: "any", inputMode: "decimal" }),
    ...number("radius", t("Metres around it"), Math.round(circle.radius), { min: NARROWEST_M, max: WIDEST_M, step: 1, inputMode: "numeric" }),
  );
  const choices = element(
    "fieldset",
    {},
    element("legend", {}, t("My car may stand")),
    choice("anywhere", t("wherever it stands")),
    choice("circle", t("near a point that I choose")),
    ...(place.kind === "polygon" ? [choice("polygon", t("inside the area that was drawn"))] : []),
  );
  const chosen = () => choices.querySelector(":checked").value;
  const field = (part) => point.querySelector(`[name=${part}]`);
  const needs = () => {
    point.hidden = chosen() !== "circle";
    for (const part of ["lat", "lon", "radius"]) field(part).required = !point.hidden;
  };
  choices.addEventListener("change", needs);
  here.addEventListener("click", () =>
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => {
        field("lat").value = coords.latitude.toFixed(5);
        field("lon").value = coords.longitude.toFixed(5);
      },
      () => {
        said.textContent = t("This device does not say where it is. Type the point instead.");
        said.className = "said bad";
      },
      { enableHighAccuracy: true, timeout: PATIENCE_MS },
    ),
  );
  needs();
  area.replaceChildren(choices, point);
  return () => {
    if (chosen() === "polygon") return place;
    if (chosen() === "anywhere") return { kind: "anywhere" };
    const centre = { lat: Number(field("lat").value), lon: Number(field("lon").value) };
    return { kind: "circle", centre, radius: Number(field("radius").value) };
  };
}
