// The list of what waits: the most urgent first; while a case is open it is only to be read.
import { element } from "/static/controls.js";
import { n, t } from "/static/words.js";
import { age, barWords, languageWords, name, tone } from "/desk/desk_words.js";
import { ask, by, desk } from "/desk/desk_state.js";

let shown = "";
let take = () => {};

/** `claim` gets the id of the case whose button was pressed. */
export function listTakes(claim) {
  take = claim;
}

/** Ask for the list and show it, where anything in it has changed. */
export async function lookAtList() {
  const { data } = await ask("GET", "/v1/desk/cases");
  const text = JSON.stringify([data, desk.held && desk.held.case, Math.floor(Date.now() / 60_000)]);
  if (text === shown) return;
  shown = text;
  const focused = document.activeElement && document.activeElement.dataset.case;
  by("list").replaceChildren(...data.map(row));
  by("none").hidden = data.length > 0;
  by("count").textContent = n("{count} case", "{count} cases", data.length);
  if (focused) focusOn(focused);
}

/** Draw it anew at the next look, whatever it says. */
export function forgetList() {
  shown = "";
}

/** Put the focus on a case's button, else on "next". */
export function focusOn(id) {
  (by("list").querySelector(`[data-case="${CSS.escape(id)}"]`) || by("next")).focus();
}

/** From the button that has the focus to its neighbour; from elsewhere to the first. */
export function step(by_) {
  const buttons = [...by("list").querySelectorAll("button")];
  const at = buttons.indexOf(document.activeElement);
  const next = at < 0 ? buttons[0] : buttons[Math.min(buttons.length - 1, Math.max(0, at + by_))];
  if (next) next.focus();
}

function row(one) {
  const title = name(one.what, one.system, one.severity);
  const facts = [
    one.codes.join(" "),
    one.language ? languageWords(one.language) : "",
    one.calls ? n("{count} call", "{count} calls", one.calls) : "",
    one.bar ? barWords(one.bar) : "",
  ].filter(Boolean);
  const marks = [
    one.breached ? element("span", { className: "badge bad" }, t("waited too long")) : "",
    one.supervisor ? element("span", { className: "badge" }, t("for a supervisor")) : "",
  ].filter(Boolean);
  const words = element("span", { className: "row-words" },
    element("span", { className: "row-title" }, title),
    element("span", { className: "muted small" }, t("waits {age}", { age: age(one.since) })),
    ...(facts.length ? [element("span", { className: "muted small" }, facts.join(" · "))] : []),
    ...(marks.length ? [element("span", { className: "marks" }, ...marks)] : []),
  );
  const mark = one.bar ? "barred" : tone(one.what, one.severity);
  const made = element("li", { className: mark ? `row ${mark}` : "row" }, words);
  if (!desk.held) made.append(button(one, title));
  return made;
}

function button(one, title) {
  const made = element("button", { type: "button", className: "small quiet", "aria-label": t("Take {title}, {case}", { title, case: one.id }) }, t("Take"));
  made.dataset.case = one.id;
  made.addEventListener("click", () => take(one.id));
  return made;
}
