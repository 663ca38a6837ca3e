// The drawing of the car and what hands can do at it: it shows what the unit said, and never guesses.
import { act } from "/static/stage_door.js";
import { during } from "/static/controls.js";
import { t } from "/static/words.js";

const by = (id) => document.getElementById(id);
const FLASH_MS = 2_200;
/** Where the courier stands after each thing that was said of the delivery. */
const STANDS = {
  "delivery.requested": "away", "delivery.en_route": "way", "delivery.arrived": "here", "delivery.opening": "here",
  "delivery.delivered": "away", "delivery.failed": "away", "delivery.blocked": "away", "delivery.expired": "away",
};

let car = {};
let scene = { delivery: null, parcel: "none" };
let stands = "away";
let approved = false;
let flashes = null;
let flashing = 0;

/** The unit's newest state. */
export function showCar(state) {
  car = state;
  if (flashes !== null && car.flashes > flashes) flash();
  flashes = car.flashes ?? flashes;
  draw();
}

/** The demo's newest word on order and parcel. */
export function showScene(newest) {
  scene = newest;
  draw();
}

/** Something was said: the courier may have moved. */
export function showSaid(said) {
  stands = STANDS[said.kind] ?? stands;
  if (said.kind === "delivery.requested") approved = false;
  if (said.kind === "delivery.approved") approved = true;
  draw();
}

export const now = () => ({ car, scene, stands, approved });

function flash() {
  clearTimeout(flashing);
  by("drawing").classList.add("flash");
  flashing = setTimeout(() => by("drawing").classList.remove("flash"), FLASH_MS);
}

function draw() {
  const drawing = by("drawing");
  const shown = {
    lid: car.lid_up ? "up" : "down",
    lock: car.locked === false ? "open" : "locked",
    net: car.connected === false ? "off" : "on",
    courier: stands,
    parcel: scene.parcel,
  };
  for (const [name, value] of Object.entries(shown)) if (drawing.dataset[name] !== value) drawing.dataset[name] = value;
  text("drawing-says", alternative());
  chip("chip-boot", car.lid_up ? t("Boot open") : t("Boot shut"), car.lid_up ? "wait" : "good");
  chip("chip-lock", lockWords(), car.locked === false ? "wait" : "good");
  chip("chip-net", netWords(), car.connected === false ? "bad" : "good");
  by("put").disabled = !(car.lid_up && scene.parcel === "carried");
  by("shut").disabled = !car.lid_up;
  const lost = car.mode === "no_coverage";
  by("network").setAttribute("aria-pressed", String(lost));
  text("network", lost ? t("Find the network again") : t("Lose the network"));
  by("worn").disabled = car.pads !== null && car.pads !== undefined;
  text("worn", by("worn").disabled ? t("Brake pads reported") : t("Report worn brake pads"));
}

function text(id, words) {
  if (by(id).textContent !== words) by(id).textContent = words;
}

function chip(id, words, tone) {
  text(id, words);
  by(id).className = `badge ${tone}`;
}

function lockWords() {
  if (car.lid_up) return t("Locks as soon as the lid is down");
  return car.locked === false ? t("Unlocked") : t("Locked");
}

function netWords() {
  if (car.running === false) return t("The unit does not run");
  return car.connected === false ? t("No network") : t("On the network");
}

function alternative() {
  if (!car.lid_up) return car.locked === false ? t("A parked car, its boot shut and not locked.") : t("A parked car, its boot shut and locked.");
  if (scene.parcel === "in") return t("A parked car, its boot open, the parcel in it, the courier beside it.");
  return t("A parked car, its boot open, the courier with a parcel beside it.");
}

/** What it does is seen in the drawing: no words beside. */
async function quietly(name, more) {
  await act(name, more);
  return "";
}

function button(id, work) {
  by(id).addEventListener("click", () => during(by("board-car"), by("said"), work).then(() => draw()));
}

button("put", () => quietly("put"));
button("shut", () => quietly("shut"));
button("network", () => quietly("network", { on: car.mode === "no_coverage" }));
button("worn", async () => {
  await act("worn");
  return t("A case comes up on the agent's desk and on Ada's phone.");
});
