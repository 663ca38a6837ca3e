// <mini-map>: car, courier and agreed place to scale, north up; needs no tiles, and shows the operator's where there are some.
import { courierFrom, distance, metres } from "/static/geo.js";
import { t } from "/static/words.js";

const SVG = "http://www.w3.org/2000/svg";
const [USUAL_WIDTH, EDGE] = [358, 48];
const TILE = 256;
const EQUATOR_M = 40_075_016.686;
const [NEAREST, FARTHEST] = [18, 3];
const STEPS_M = [5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 500_000, 2_000_000];
const SIGNS = { car: "car", courier: "person", place: "pin" };
// Farther apart than this one picture says nothing: the words do.
const CLOSE_M = 15;

function drawn(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Web Mercator (the projection of map tiles), 0 to 1 from the north-west corner. */
function onSquare({ lat, lon }) {
  const bounded = Math.max(-85, Math.min(85, lat)) * (Math.PI / 180);
  return { x: lon / 360 + 0.5, y: 0.5 - Math.log(Math.tan(Math.PI / 4 + bounded / 2)) / (2 * Math.PI) };
}

function usable(point) {
  return Number.isFinite(point?.lat) && Number.isFinite(point?.lon) && Math.abs(point.lat) <= 90 && Math.abs(point.lon) <= 180;
}

/**
 * `points`, each { kind: "car" | "courier" | "place", lat, lon, accuracy_m?, radius_m? }: at most one of a kind is drawn.
 * Set the property, or the attribute `data-points` as JSON. Without a point that can be drawn it hides itself.
 */
export class MiniMap extends HTMLElement {
  static observedAttributes = ["data-points"];
  #points = [];
  #width = 0;
  #height = 0;
  #resized = new ResizeObserver(() => this.clientWidth !== this.#width && this.#draw());

  connectedCallback() {
    this.#draw();
    this.#resized.observe(this);
  }

  disconnectedCallback() {
    this.#resized.disconnect();
  }

  attributeChangedCallback(_name, _before, now) {
    try {
      this.points = JSON.parse(now || "[]");
    } catch {
      this.points = [];
    }
  }

  get points() {
    return this.#points;
  }

  set points(given) {
    this.#points = Array.isArray(given) ? given.filter((point) => SIGNS[point?.kind] && usable(point)) : [];
    if (this.isConnected) this.#draw();
  }

  /** Pixels; an element that is not laid out yet is drawn as a phone would show it. */
  get #wide() {
    return this.#width || USUAL_WIDTH;
  }

  #of(kind) {
    return this.#points.find((point) => point.kind === kind);
  }

  /** What the picture shows, in words: its accessible name, and its caption. */
  words() {
    const [car, courier, place] = [this.#of("car"), this.#of("courier"), this.#of("place")];
    const said = [];
    if (car && courier) {
      said.push(distance(car, courier) < CLOSE_M ? t("The courier is at the car.") : courierFrom(car, courier));
      if (courier.accuracy_m > CLOSE_M) said.push(t("The courier's position may be {distance} off.", { distance: metres(courier.accuracy_m) }));
    } else if (car) said.push(t("Where the car stands."));
    else if (courier) said.push(t("Where the courier is; the car's own position is not known."));
    if (car && car.accuracy_m > CLOSE_M) said.push(t("The car's position may be {distance} off.", { distance: metres(car.accuracy_m) }));
    if (car && place?.radius_m)
      said.push(
        distance(car, place) <= place.radius_m
          ? t("The car stands within the agreed place.")
          : t("The car stands outside the agreed place, {distance} from its middle.", { distance: metres(distance(car, place)) }),
      );
    else if (!said.length) said.push(t("The agreed place."));
    return said.join(" ");
  }

  #draw() {
    this.hidden = this.#points.length === 0;
    if (this.hidden) return this.replaceChildren();
    const words = this.words();
    this.#width = this.clientWidth;
    this.#height = Math.round(Math.max(200, Math.min(380, this.#wide * 0.62)));
    const { centre, zoom } = this.#view();
    const square = TILE * 2 ** zoom;
    const at = (point) => {
      const { x, y } = onSquare(point);
      return { x: (x - centre.x) * square + this.#wide / 2, y: (y - centre.y) * square + this.#height / 2 };
    };
    const middle = this.#of("car") || this.#points[0];
    const perMetre = square / (EQUATOR_M * Math.cos((middle.lat * Math.PI) / 180));
    const picture = drawn("svg", { viewBox: `0 0 ${this.#wide} ${this.#height}`, role: "img", "aria-label": words });
    const credit = this.#tiles(picture, centre, zoom);
    if (!credit) this.#steps(picture, at(middle), perMetre);
    this.#rings(picture, at, perMetre);
    const [car, courier] = [this.#of("car"), this.#of("courier")];
    if (car && courier) {
      const [from, to] = [at(courier), at(car)];
      picture.append(drawn("line", { class: "way", x1: from.x, y1: from.y, x2: to.x, y2: to.y }));
    }
    for (const kind of ["place", "car", "courier"]) if (this.#of(kind)) this.#mark(picture, kind, at(this.#of(kind)));
    this.#scale(picture, perMetre);
    const caption = document.createElement("figcaption");
    caption.textContent = words;
    const figure = document.createElement("figure");
    figure.append(picture, caption);
    if (credit) figure.append(credit);
    this.replaceChildren(figure);
  }

  /** The middle and the nearest zoom at which all is seen, circles included. */
  #view() {
    const reach = this.#points.flatMap(({ lat, lon, radius_m, accuracy_m }) => {
      const degrees = (Math.max(radius_m || 0, accuracy_m || 0, 20) * 360) / EQUATOR_M;
      const wide = degrees / Math.max(0.05, Math.cos((lat * Math.PI) / 180));
      return [onSquare({ lat: lat - degrees, lon: lon - wide }), onSquare({ lat: lat + degrees, lon: lon + wide })];
    });
    const [left, right] = [Math.min(...reach.map(({ x }) => x)), Math.max(...reach.map(({ x }) => x))];
    const [top, bottom] = [Math.min(...reach.map(({ y }) => y)), Math.max(...reach.map(({ y }) => y))];
    const fits = Math.min((this.#wide - 2 * EDGE) / (right - left), (this.#height - 2 * EDGE) / (bottom - top));
    const zoom = Math.max(FARTHEST, Math.min(NEAREST, Math.log2(fits / TILE)));
    // Tiles exist for whole steps; without them the picture is filled.
    return { centre: { x: (left + right) / 2, y: (top + bottom) / 2 }, zoom: this.#template() ? Math.floor(zoom) : zoom };
  }

  #template() {
    return document.querySelector('meta[name="map-tiles"]')?.content || "";
  }

  #tiles(picture, centre, zoom) {
    const template = this.#template();
    if (!template) return null;
    const many = 2 ** zoom;
    const first = { x: centre.x * many - this.#wide / TILE / 2, y: centre.y * many - this.#height / TILE / 2 };
    for (let row = Math.floor(first.y); row < first.y + this.#height / TILE; row++)
      for (let column = Math.floor(first.x); column < first.x + this.#wide / TILE; column++) {
        if (row < 0 || row >= many) continue;
        const [x, y] = [(column - first.x) * TILE, (row - first.y) * TILE];
        const href = template.replace("{z}", zoom).replace("{x}", ((column % many) + many) % many).replace("{y}", row);
        const tile = drawn("image", { x, y, width: TILE, height: TILE, href });
        tile.addEventListener("error", () => tile.remove());
        picture.append(tile);
      }
    const credit = document.createElement("p");
    credit.className = "credit muted";
    credit.textContent = document.querySelector('meta[name="map-tiles"]').dataset.credit;
    return credit;
  }

  /** Without tiles: circles of round distances, so that far and near can be told. */
  #steps(picture, middle, perMetre) {
    const step = STEPS_M.find((one) => one * perMetre > 70) || STEPS_M.at(-1);
    for (let radius = step; radius * perMetre < this.#wide; radius += step) {
      const r = radius * perMetre;
      picture.append(drawn("circle", { class: "step", cx: middle.x, cy: middle.y, r }));
      if (middle.y - r > 24) picture.append(drawn("text", { class: "far", x: middle.x, y: middle.y - r + 4, "text-anchor": "middle" }, metres(radius)));
    }
  }

  #rings(picture, at, perMetre) {
    for (const point of this.#points) {
      const reach = point.radius_m || point.accuracy_m || 0;
      const { x, y } = at(point);
      if (reach * perMetre > 14) picture.append(drawn("circle", { class: `ring ${point.kind}`, cx: x, cy: y, r: reach * perMetre }));
    }
  }

  #mark(picture, kind, { x, y }) {
    if (kind === "place") return;
    picture.append(
      drawn("circle", { class: `dot ${kind}`, cx: x, cy: y, r: 19 }),
      drawn("use", { class: "sign", href: `/static/icons.svg#${SIGNS[kind]}`, x: x - 12, y: y - 12, width: 24, height: 24 }),
    );
  }

  #scale(picture, perMetre) {
    const length = STEPS_M.findLast((one) => one * perMetre <= 150) || STEPS_M[0];
    const right = this.#wide - 20;
    picture.append(
      drawn("path", { class: "scale", d: `M${right - length * perMetre} ${this.#height - 26}v7H${right}v-7` }),
      drawn("text", { x: right, y: this.#height - 34, "text-anchor": "end" }, metres(length)),
      drawn("path", { class: "scale", d: `M28 46V22m-6 8 6-8 6 8` }),
      drawn("text", { x: 28, y: 64, "text-anchor": "middle" }, t("N")),
    );
  }
}

customElements.define("mini-map", MiniMap);
