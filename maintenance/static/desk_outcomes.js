// The outcomes that can be told now, in three groups, one button and one key each.
import { element } from "/static/controls.js";
import { t } from "/static/words.js";
import { keyOf } from "/desk/desk_keys.js";
import { outcomeWords } from "/desk/desk_words.js";

const GROUPS = [
  [t("Spoken to"), ["booked", "callback_at", "declined_not_now", "declined_own_garage", "already_repaired", "sold_vehicle", "do_not_call", "language"]],
  [t("Not reached"), ["no_answer", "voicemail", "busy", "wrong_number"]],
  [t("To somebody else"), ["escalated_supervisor", "emergency"]],
];
let drawn = "";

/** Draw them into `area`, where they have changed; the focus stays where it was. */
export function drawOutcomes(area, outcomes, again = false) {
  const now = outcomes.join();
  if (now === drawn && !again) return;
  drawn = now;
  const focused = document.activeElement && document.activeElement.dataset.outcome;
  const other = outcomes.filter((one) => !GROUPS.some(([, names]) => names.includes(one)));
  const groups = GROUPS.map(([title, names]) => [title, names.filter((one) => outcomes.includes(one))]);
  if (other.length) groups.push([t("Others"), other]);
  area.replaceChildren(...groups.filter(([, names]) => names.length).map(([title, names]) =>
    element("div", { className: "outcome-group" }, element("p", { className: "muted small" }, title), element("div", { className: "outcome-set" }, ...names.map(button))),
  ));
  if (focused) (area.querySelector(`[data-outcome="${focused}"]`) || area).focus();
}

function button(one) {
  const key = keyOf(`outcome.${one}`);
  const made = element("button", { type: "button", className: "small quiet" }, element("span", {}, outcomeWords(one)));
  if (key) {
    made.prepend(element("kbd", { "aria-hidden": "true" }, key));
    made.setAttribute("aria-keyshortcuts", key);
  }
  made.dataset.outcome = one;
  return made;
}
