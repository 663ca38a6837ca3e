// The three screens: the product's own pages in frames, mail that comes to the owner's phone, and where the courier's phone is.
import { act } from "/static/stage_door.js";

const by = (id) => document.getElementById(id);
const KEPT = "stage.courier";
const NOTICE_MS = 60_000;
const WALK_MS = 4_000;
const STEP_MS = 250;
/** Degrees of latitude: the courier sets out so far south of the car. */
const FAR = 0.0021;

let home = null;
let away = FAR;
let noticed = 0;
const watchers = new Map();

export const frame = (id) => by(id);

/** Put the pages into the frames, each once; enrol this browser as the courier's phone. Gives the courier's id. */
export async function raise(place) {
  home = place;
  by("owner").src = "/";
  by("desk").src = "/desk";
  const { courier, code } = await act("courier", { courier: localStorage.getItem(KEPT) || undefined });
  by("courier").addEventListener("load", standsThere);
  by("courier").src = code ? `/courier#${code}` : "/courier";
  if (code) {
    await enrol();
    localStorage.setItem(KEPT, courier);
  }
  return courier;
}

/** Press the button that a courier presses, with the code that dispatch gave. */
async function enrol() {
  const form = await there("courier", "#enrol-form button", (button) => !button.ownerDocument.getElementById("enrol").hidden && button.ownerDocument.getElementById("code").value !== "");
  form.click();
  await there("courier", "#list", (list) => !list.hidden);
}

/** The element in a frame, once it is there, shown and fits. Throws after `seconds`. */
export async function there(id, selector, fits = shown, seconds = 30, signal) {
  const until = Date.now() + seconds * 1000;
  for (;;) {
    signal?.throwIfAborted();
    const found = by(id).contentDocument?.querySelector(selector);
    if (found && fits(found)) return found;
    if (Date.now() > until) throw new Error(`${selector} did not come`);
    await new Promise((done) => setTimeout(done, 100));
  }
}

export function shown(element) {
  return element.getClientRects().length > 0 && !element.disabled && !element.closest("[aria-busy='true']");
}

/** The phone's dispatch has news: look at the list now. */
export function nudgeCourier() {
  by("courier").contentWindow?.dispatchEvent(new Event("online"));
}

/** A mail came: a notice on the owner's phone that leads where its link leads. */
export function showMail({ subject, to }) {
  clearTimeout(noticed);
  if (!to || !to.startsWith("/") || to.startsWith("//")) return;
  by("notice-subject").textContent = subject;
  by("notice").dataset.to = to;
  by("notice").hidden = false;
  noticed = setTimeout(() => (by("notice").hidden = true), NOTICE_MS);
}

by("notice").addEventListener("click", () => {
  by("notice").hidden = true;
  by("owner").src = by("notice").dataset.to;
  by("owner").focus();
});

/** The courier walks from the far end of the street to the boot. */
export function walk() {
  const began = Date.now();
  const step = () => {
    const part = Math.min(1, (Date.now() - began) / WALK_MS);
    away = FAR * (1 - part);
    for (const told of watchers.values()) told(fix());
    if (part < 1) setTimeout(step, STEP_MS);
  };
  step();
}

export function farAway() {
  away = FAR;
}

export function atTheCar() {
  away = 0;
}

export const arrived = () => away === 0;

function fix() {
  const coords = { latitude: home[0] - away, longitude: home[1], accuracy: 5, altitude: null, altitudeAccuracy: null, heading: null, speed: null };
  return { coords, timestamp: Date.now() };
}

/** A simulated phone stands where the drawing shows it, not where this browser is. */
function standsThere() {
  let count = 0;
  watchers.clear();
  const geolocation = {
    getCurrentPosition: (done) => setTimeout(() => done(fix()), 50),
    watchPosition: (done) => {
      watchers.set(++count, done);
      setTimeout(() => watchers.get(count)?.(fix()), 50);
      return count;
    },
    clearWatch: (id) => watchers.delete(id),
  };
  Object.defineProperty(by("courier").contentWindow.navigator, "geolocation", { value: geolocation, configurable: true });
}
