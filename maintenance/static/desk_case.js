// The case as it is read: who and when at the top of the call, and all that is known beside it.
import { element, rows } from "/static/controls.js";
import { moment, second } from "/static/times.js";
import { language, n, t } from "/static/words.js";
import { drawOutcomes } from "/desk/desk_outcomes.js";
import { by } from "/desk/desk_state.js";
import {
  age, barWords, deliveryWords, hoursWords, languageWords, name, outcomeWords, partyWords, plainCode, severityWords, stateWords,
  tone, whyWords,
} from "/desk/desk_words.js";

const CLOCK_MS = 1_000;
let ticking = 0;

/** Show everything that only looks. `anew`: another case, so no number is shown yet. */
export function showCase(read, { anew }) {
  by("case-title").textContent = name(read.what, read.system, read.severity);
  by("case-head").dataset.tone = tone(read.what, read.severity);
  by("case-about").textContent = about(read);
  by("breached").hidden = !read.breached;
  showClock(read.clock, read.what);
  by("codes").replaceChildren(...codes(read));
  rows(by("facts"), facts(read));
  by("help-card").hidden = !read.help;
  if (read.help) showHelp(read.help);
  by("history").replaceChildren(...history(read));
  showOutcomes(read.outcomes);
  by("close").hidden = read.what !== "help";
  showDial(read.askers);
  if (!anew) return;
  by("number").hidden = true;
  by("number-says").hidden = !read.dialled_by;
  by("number-says").textContent = read.dialled_by
    ? t("The number was shown to {agent}, and no outcome was told: they may have been called.", { agent: read.dialled_by })
    : "";
}

/** What can come of a call is told after a number was shown; before, it is said how to come there. */
export function showOutcomes(outcomes) {
  const called = outcomes.includes("no_answer");
  by("of-a-call").hidden = !called;
  by("before-call").hidden = called;
  drawOutcomes(by("outcomes"), outcomes);
}

/** One button a party: of help that owner and courier asked for there are two. */
function showDial(askers) {
  const parties = [...new Set(askers.map((one) => one.who))];
  const two = parties.length > 1;
  const words = { owner: t("Show the owner's number"), courier: t("Show the courier's number") };
  by("dial-other").hidden = !two;
  for (const [id, who] of [["dial", parties[0]], ["dial-other", parties[1]]]) {
    by(`${id}-says`).textContent = (two && words[who]) || t("Show the number");
    if (two) by(id).dataset.whom = who;
    else delete by(id).dataset.whom;
  }
}

function about(read) {
  return [
    read.asked_by ? t("Asked for by {party}.", { party: partyWords(read.asked_by) }) : "",
    read.why && read.why !== "asked" ? t("Why: {why}.", { why: whyWords(read.why) }) : "",
    t("Waits since {time} ({age}).", { time: moment(read.since), age: age(read.since) }),
  ].filter(Boolean).join(" ");
}

/** The customer's own clock, going on by itself, and whether it lets us call. */
function showClock(clock, what) {
  const time = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: clock.zone });
  const day = new Intl.DateTimeFormat(language, { weekday: "long", day: "numeric", month: "long", timeZone: clock.zone });
  const tick = () => {
    const now = new Date();
    if (by("clock-time").textContent === time.format(now)) return;
    by("clock-time").textContent = time.format(now);
    by("clock-day").textContent = day.format(now);
  };
  by("clock-time").textContent = "";
  tick();
  clearInterval(ticking);
  ticking = setInterval(tick, CLOCK_MS);
  by("clock-zone").textContent = clock.zone.replaceAll("_", " ");
  const may = clock.may_call || what === "help";
  by("clock-may").className = may ? "badge good" : "badge wait";
  by("clock-may").textContent = may
    ? t("may be called")
    : t("{why}; from {time}", { why: barWords(clock.bar), time: moment(clock.next) });
}

function codes(read) {
  const shown = read.codes.map((one) =>
    element("div", { className: "code-words" },
      element("p", {}, element("strong", { className: "code-name" }, one.code), ` ${one.agent.means} ${one.agent.drive}`),
      ...(one.owner.language === one.agent.language ? [] : [element("p", { lang: one.owner.language, className: "muted small" }, `${one.owner.means} ${one.owner.drive} ${one.owner.next}`)]),
    ),
  );
  const frozen = Object.entries(read.freeze).map(([key, value]) => `${plainCode(key)} ${value}`).join(", ");
  if (frozen) shown.push(element("p", { className: "small" }, t("At that moment: {values}", { values: frozen })));
  if (read.odometer_m !== null) {
    const km = new Intl.NumberFormat(language).format(Math.round(read.odometer_m / 1000));
    shown.push(element("p", { className: "small" }, t("Odometer: {km} km", { km })));
  }
  if (read.severity_source) shown.push(element("p", { className: "muted small" }, severityWords(read.severity_source)));
  return shown.length ? shown : [element("p", { className: "muted" }, t("No fault code."))];
}

function facts(read) {
  const { consent, clock } = read;
  const wants = consent.do_not_call
    ? t("wants no calls")
    : consent.on ? t("asked to be called about faults") : t("did not ask for calls");
  const asked = read.askers.map((one) => one.phone_known
    ? t("{party}, left a number", { party: partyWords(one.who) })
    : partyWords(one.who));
  const calls = read.calls.map((one) => `${one.n}. ${moment(one.at)} ${outcomeWords(one.disposition)}`);
  return [
    [t("Wishes"), wants],
    [t("Asked for help"), asked.join("; ")],
    [t("Number"), consent.phone_known ? t("known; shown when you call") : t("not known")],
    [t("Speaks"), consent.language ? languageWords(consent.language) : t("not known")],
    [t("Hours by"), hoursWords(clock.source)],
    [t("Garage"), consent.garage || ""],
    [t("Open deliveries"), read.deliveries.map((one) => `${one.id}: ${deliveryWords(one.state)}`).join(", ")],
    [t("Calls so far"), calls.join("; ")],
  ];
}

function showHelp(help) {
  rows(by("help-facts"), [
    [t("Delivery"), help.id],
    [t("State"), deliveryWords(help.state)],
    [t("Window"), t("{from} to {until}", { from: moment(help.begins), until: moment(help.ends) })],
    [t("Key"), plainCode(help.key)],
    [t("Receipt"), help.receipt === null ? t("none yet") : t("number {n} of the car", { n: help.receipt })],
    [t("Refused"), help.refusal ? plainCode(help.refusal) : ""],
    [t("Failed"), help.failure ? plainCode(help.failure) : ""],
    [t("Courier was"), help.arrived_m === null ? "" : t("{metres} m from the car", { metres: help.arrived_m })],
  ]);
  by("help-timeline").replaceChildren(
    ...help.timeline.map(([at, what]) => element("li", {}, element("time", { dateTime: at }, second(at)), element("span", {}, deliveryWords(what)))),
  );
  by("lock").hidden = !help.can_lock;
}

function history(read) {
  const shown = read.history.map((one) =>
    element("li", {},
      element("span", { className: "row-title" }, name(one.what, one.system, one.severity)),
      element("span", { className: "muted small block" }, t("{state}, opened {time}", { state: stateWords(one.state), time: moment(one.opened_at) })),
      element("span", { className: "muted small block" }, n("{count} call", "{count} calls", one.calls.length)),
    ),
  );
  return shown.length ? shown : [element("li", { className: "muted" }, t("Nothing before."))];
}
