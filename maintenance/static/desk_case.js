// A case beside the call: what the car says, who would be called, the delivery, what came before.
import { element, rows } from "/static/controls.js";
import { moment, second } from "/static/times.js";
import { age, barWords, name, outcomeKey, outcomeWords, plain, stateWords } from "/desk/desk_words.js";

const by = (id) => document.getElementById(id);

/** Show everything that only looks. */
export function showCase(read) {
  by("case-title").textContent = name(read.what, read.system, read.severity);
  by("case-about").textContent = about(read);
  by("codes").replaceChildren(...codes(read));
  rows(by("facts"), facts(read));
  by("help-card").hidden = !read.help;
  if (read.help) showHelp(read.help);
  by("history").replaceChildren(...history(read));
  showOutcomes(read.outcomes);
  by("close").hidden = read.what !== "help";
  showDial(read.askers);
  by("number").hidden = true;
  by("number-says").hidden = !read.dialled_by;
  by("number-says").textContent = read.dialled_by ? `The number was shown to ${read.dialled_by}, and no outcome was told: they may have been called.` : "";
}

/** One button a party: of help that owner and courier asked for there are two. */
function showDial(askers) {
  const parties = [...new Set(askers.map((one) => one.who))];
  const two = parties.length > 1;
  by("dial-other").hidden = !two;
  for (const [id, who] of [["dial", parties[0]], ["dial-other", parties[1]]]) {
    by(id).textContent = two ? `Show the ${who}'s number` : "Show the number";
    if (two) by(id).dataset.whom = who;
    else delete by(id).dataset.whom;
  }
}

function about(read) {
  const asked = read.asked_by ? `Asked for by ${read.asked_by === "system" ? "the system" : `the ${read.asked_by}`}. ` : "";
  const late = read.breached ? " It waited too long." : "";
  const why = read.why ? `Why: ${plain(read.why)}. ` : "";
  return `${asked}${why}Waits since ${moment(read.since)} (${age(read.since)}).${late}`;
}

function codes(read) {
  const shown = read.codes.map((one) =>
    element("div", {},
      element("p", {}, element("strong", {}, one.code), ` ${one.agent.means} ${one.agent.drive}`),
      ...(one.owner.language === one.agent.language ? [] : [element("p", { lang: one.owner.language, className: "muted" }, `${one.owner.means} ${one.owner.drive} ${one.owner.next}`)]),
    ),
  );
  const frozen = Object.entries(read.freeze).map(([key, value]) => `${key} ${value}`).join(", ");
  if (frozen) shown.push(element("p", { className: "small" }, `At that moment: ${frozen}`));
  if (read.odometer_m !== null) shown.push(element("p", { className: "small" }, `Odometer: ${Math.round(read.odometer_m / 1000)} km`));
  if (read.severity_source) shown.push(element("p", { className: "muted small" }, `Severity by: ${read.severity_source}`));
  return shown.length ? shown : [element("p", { className: "muted" }, "No fault code.")];
}

function facts(read) {
  const { consent, clock } = read;
  const wants = consent.do_not_call ? "wants no calls" : consent.on ? "asked to be called about faults" : "did not ask for calls";
  return [
    ["Wishes", wants],
    ["Asked for help", read.askers.map((one) => `${one.who}${one.phone_known ? ", left a number" : ""}`).join("; ")],
    ["Number", consent.phone_known ? "known; shown when you call" : "not known"],
    ["Speaks", consent.language || "not known"],
    ["Their time", `${clock.local.slice(11, 16)} on ${clock.local.slice(0, 10)}, ${clock.zone}`],
    ["Now", clock.may_call ? "may be called" : `${barWords(clock.bar)}; from ${moment(clock.next)}`],
    ["Hours by", clock.source],
    ["Garage", consent.garage || ""],
    ["Open deliveries", read.deliveries.map((one) => `${one.id}: ${plain(one.state)}`).join(", ")],
    ["Calls so far", read.calls.map((one) => `${one.n}. ${moment(one.at)} ${outcomeWords(one.disposition)}`).join("; ")],
  ];
}

function showHelp(help) {
  rows(by("help-facts"), [
    ["Delivery", help.id],
    ["State", plain(help.state)],
    ["Window", `${moment(help.begins)} to ${moment(help.ends)}`],
    ["Key", help.key],
    ["Receipt", help.receipt === null ? "none yet" : `number ${help.receipt} of the car`],
    ["Refused", help.refusal ? plain(help.refusal) : ""],
    ["Failed", help.failure ? plain(help.failure) : ""],
    ["Courier was", help.arrived_m === null ? "" : `${help.arrived_m} m from the car`],
  ]);
  by("help-timeline").replaceChildren(
    ...help.timeline.map(([at, what]) => element("li", {}, element("time", { dateTime: at }, second(at)), element("span", {}, plain(what)))),
  );
  by("lock").hidden = !help.can_lock;
}

function history(read) {
  const shown = read.history.map((one) =>
    element("li", {}, `${name(one.what, one.system, one.severity)}: ${stateWords(one.state)}, opened ${moment(one.opened_at)}. Calls: ${one.calls.length}`),
  );
  return shown.length ? shown : [element("li", { className: "muted" }, "Nothing before.")];
}

/** One button an outcome, each with its key. */
export function showOutcomes(outcomes) {
  by("outcomes").replaceChildren(
    ...outcomes.map((one) => {
      const key = element("kbd", {}, outcomeKey(one));
      const button = element("button", { type: "button", className: "small quiet", "aria-keyshortcuts": outcomeKey(one) }, key, ` ${outcomeWords(one)}`);
      button.dataset.outcome = one;
      return button;
    }),
  );
}
