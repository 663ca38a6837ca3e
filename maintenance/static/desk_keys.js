// Keys of the desk: one letter each, only outside of fields, to be changed or turned off (WCAG 2.1.4); kept in this browser.
import { element } from "/static/controls.js";
import { t } from "/static/words.js";
import { outcomeWords } from "/desk/desk_words.js";

const HERE = {
  next: ["t", t("Take the next case")],
  down: ["j", t("One further down the list")],
  up: ["k", t("One further up the list")],
  queue: ["1", t("To the list")],
  call: ["2", t("To the call")],
  context: ["3", t("To what is known")],
  dial: ["p", t("Show the number")],
  answers: ["a", t("To the answers")],
  note: ["m", t("To the note")],
  outcomes: ["o", t("To the outcomes")],
  release: ["z", t("Give it back to the list")],
  keys: ["?", t("Show and change the keys")],
};
const OUTCOMES = {
  booked: "b", callback_at: "c", no_answer: "n", voicemail: "v", busy: "y", wrong_number: "w",
  declined_own_garage: "g", declined_not_now: "l", already_repaired: "r", sold_vehicle: "s", language: "x",
  do_not_call: "d", escalated_supervisor: "u", emergency: "e",
};
const STANDARD = {
  ...Object.fromEntries(Object.entries(HERE).map(([act, [key]]) => [act, key])),
  ...Object.fromEntries(Object.entries(OUTCOMES).map(([outcome, key]) => [`outcome.${outcome}`, key])),
};
const scope = (act) => act.startsWith("outcome.");

let place = "";
let on = true;
let keys = { ...STANDARD };
let changed = () => {};

/** The keys of this agent in this browser; what is not readable there is as if it were not there. */
export function loadKeys(agent, whenChanged) {
  place = `desk.keys.${agent}`;
  changed = whenChanged;
  keys = { ...STANDARD };
  on = true;
  try {
    const kept = JSON.parse(localStorage.getItem(place) || "{}");
    on = kept.on !== false;
    for (const [act, key] of Object.entries(kept.keys || {})) {
      if (act in STANDARD && fits(key)) give(act, key);
    }
  } catch {
    localStorage.removeItem(place);
  }
}

const fits = (key) => typeof key === "string" && [...key].length === 1 && key.trim() !== "";

/** Whoever had the key gets the other one: no key ever means two things in one place. */
function give(act, key) {
  const former = Object.keys(keys).find((one) => one !== act && keys[one] === key && scope(one) === scope(act));
  if (former) keys[former] = keys[act];
  keys[act] = key;
}

function keep() {
  localStorage.setItem(place, JSON.stringify({ on, keys }));
  changed();
}

/** The key of an act; empty while keys are off. */
export const keyOf = (act) => (on ? keys[act] || "" : "");

const writes = (target) =>
  target instanceof Element && target.closest("textarea, select, input:not([type=checkbox]), [contenteditable]") !== null;

/** Call the act of a key that was pressed. `acts`: by name; `outcome`: of the outcomes, while the focus is in `area`. */
export function listenToKeys(acts, area, outcome) {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.isComposing) return;
    if (event.key === "Escape" && writes(event.target)) {
      acts.call();
      return;
    }
    if (!on || writes(event.target)) return;
    const inside = area.contains(event.target);
    const act = Object.keys(keys).find((one) => keys[one] === event.key && scope(one) && inside)
      || Object.keys(keys).find((one) => keys[one] === event.key && !scope(one));
    if (!act) return;
    if (scope(act)) {
      const name = act.slice("outcome.".length);
      if (!area.querySelector(`[data-outcome="${name}"]`)) return;
      event.preventDefault();
      outcome(name);
    } else if (acts[act]) {
      event.preventDefault();
      acts[act]();
    }
  });
}

/** The panel where they are seen and changed. */
export function drawKeys(area, line) {
  const turn = element("input", { type: "checkbox", id: "keys-on", checked: on });
  turn.addEventListener("change", () => {
    on = turn.checked;
    keep();
  });
  const back = element("button", { type: "button", className: "small quiet" }, t("The keys as they were at first"));
  back.addEventListener("click", () => {
    keys = { ...STANDARD };
    keep();
    drawKeys(area, line);
    line.textContent = t("All keys are as they were at first.");
  });
  const here = Object.entries(HERE).map(([act, [, words]]) => row(act, words, area, line));
  const outcomes = Object.keys(OUTCOMES).map((one) => row(`outcome.${one}`, outcomeWords(one), area, line));
  area.replaceChildren(
    element("label", { className: "choice", htmlFor: "keys-on" }, turn, t("One key does it, outside of fields")),
    element("h3", {}, t("Everywhere")),
    element("div", { className: "key-set" }, ...here),
    element("h3", {}, t("While the focus is on the outcomes")),
    element("div", { className: "key-set" }, ...outcomes),
    back,
  );
}

function row(act, words, area, line) {
  const button = element("button", { type: "button", className: "small quiet key-row", "aria-label": t("{act}: key {key}. Press to change it", { act: words, key: keys[act] }) },
    element("kbd", {}, keys[act]), element("span", {}, words));
  button.dataset.act = act;
  button.addEventListener("click", () => {
    line.textContent = t("{act}: press the new key, or Escape.", { act: words });
    button.dataset.waits = "yes";
  });
  button.addEventListener("blur", () => delete button.dataset.waits);
  button.addEventListener("keydown", (event) => {
    if (!button.dataset.waits || event.key === "Tab" || ["Shift", "Control", "Alt", "Meta"].includes(event.key)) return;
    event.preventDefault();
    delete button.dataset.waits;
    if (!fits(event.key)) {
      line.textContent = t("Nothing was changed.");
      return;
    }
    give(act, event.key);
    keep();
    drawKeys(area, line);
    area.querySelector(`[data-act="${act}"]`).focus();
    line.textContent = t("{act}: the key is {key} now.", { act: words, key: keys[act] });
  });
  return button;
}
