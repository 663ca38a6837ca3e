// The desk: the list, one case at a time under a lease that a heartbeat keeps, the number, the outcome.
import { during, element, lead, say } from "/static/controls.js";
import { ask, once } from "/static/requests.js";
import { second } from "/static/times.js";
import { enter } from "/desk/desk_entry.js";
import { hideOffers, showOffers } from "/desk/desk_booking.js";
import { showCase, showOutcomes } from "/desk/desk_case.js";
import { closeDraft, dropDraft, holdDraft, openDraft, save } from "/desk/desk_draft.js";
import { age, barWords, name, outcomeWords, stateWords } from "/desk/desk_words.js";

const LOOK_MS = 4_000;
const BEAT_PART = 3;
const KEPT = "desk.case";
const by = (id) => document.getElementById(id);
const said = by("said");
let me = null;
let held = null; // { case, token }
let shown = "";
let beating = 0;
let ticking = 0;

// ---- the list

async function look() {
  if (!me || held || document.visibilityState !== "visible") return;
  try {
    const { data } = await ask("GET", "/v1/desk/cases");
    by("live").dataset.state = "live";
    by("live").textContent = "live";
    showList(data);
  } catch (problem) {
    by("live").dataset.state = "old";
    by("live").textContent = "not live";
    if (problem.status === 401 || problem.status === 403) enter(begin);
  }
}

function showList(data) {
  const text = JSON.stringify(data) + Math.floor(Date.now() / 60_000);
  if (text === shown) return;
  shown = text;
  const focused = document.activeElement && document.activeElement.dataset.case;
  by("list").replaceChildren(...data.map(row));
  by("none").hidden = data.length > 0;
  if (focused) (by("list").querySelector(`[data-case="${focused}"]`) || by("next")).focus();
}

function row(one) {
  const title = name(one.what, one.system, one.severity);
  const take = element("button", { type: "button", className: "small", "aria-label": `Take ${title}, ${one.id}` }, "Take");
  take.dataset.case = one.id;
  take.addEventListener("click", () => claim(one.id));
  const more = [
    `waits ${age(one.since)}`,
    one.codes.join(" "),
    one.language || "",
    one.calls ? `${one.calls} calls` : "",
    one.supervisor ? "for a supervisor" : "",
    one.breached ? "waited too long" : "",
    one.bar ? barWords(one.bar) : "",
  ].filter(Boolean);
  const tone = one.severity === "critical" || one.what === "help" ? "bad" : one.severity === "high" ? "wait" : "";
  return element("li", { className: "line" },
    element("span", {}, element("span", { className: `badge ${tone}` }, title), element("br"), element("span", { className: "muted small" }, more.join(" · "))),
    take,
  );
}

// ---- having a case

async function claim(id) {
  await during(by("listing"), said, async () => {
    try {
      const got = await ask("POST", "/v1/desk/claim", { body: id ? { case: id } : {}, wish: once() });
      await open(got.case, got.token);
    } catch (problem) {
      shown = "";
      if (problem.code === "desk.taken" && problem.read.next) {
        const next = problem.read.next;
        queueMicrotask(() => offer(next));
        throw new Error("Somebody else has it. The next best is marked in the list.");
      }
      throw problem;
    }
  });
  await look();
}

async function offer(id) {
  await look();
  const button = by("list").querySelector(`[data-case="${id}"]`);
  (button || by("next")).focus();
}

async function open(id, token) {
  const read = await ask("GET", `/v1/desk/cases/${id}`);
  held = { case: id, token };
  sessionStorage.setItem(KEPT, JSON.stringify(held));
  by("listing").hidden = true;
  by("after").hidden = true;
  clearInterval(ticking);
  by("lost").hidden = true;
  showCase(read);
  hideOffers();
  openDraft(read, { token });
  by("at").value = "";
  by("case").hidden = false;
  lead(by("case-title"));
  beat();
}

function beat() {
  clearInterval(beating);
  beating = setInterval(async () => {
    if (!held) return;
    try {
      await ask("POST", `/v1/desk/cases/${held.case}/heartbeat`, { body: { token: held.token }, looks: true });
    } catch (problem) {
      if (problem.code === "desk.lease_lost") lose();
    }
  }, (me.lease_s * 1000) / BEAT_PART);
}

function lose() {
  clearInterval(beating);
  dropDraft();
  if (!by("lost").hidden) return;
  lead(by("lost"));
}

async function takeAgain() {
  await during(by("case"), said, async () => {
    const got = await ask("POST", "/v1/desk/claim", { body: { case: held.case }, wish: once() });
    held.token = got.token;
    sessionStorage.setItem(KEPT, JSON.stringify(held));
    by("lost").hidden = true;
    beat();
    holdDraft(got.token);
    lead(by("case-title"));
  });
}

function leave(words) {
  clearInterval(beating);
  closeDraft();
  held = null;
  shown = "";
  sessionStorage.removeItem(KEPT);
  by("case").hidden = true;
  by("listing").hidden = false;
  if (words) {
    by("after-says").textContent = words;
    const begun = Date.now();
    const tick = () => {
      const gone = Math.floor((Date.now() - begun) / 1000);
      by("after-time").textContent = `${Math.floor(gone / 60)}:${String(gone % 60).padStart(2, "0")} of ${Math.floor(me.after_call_s / 60)}:${String(me.after_call_s % 60).padStart(2, "0")}`;
    };
    tick();
    clearInterval(ticking);
    ticking = setInterval(tick, 1000);
    by("after").hidden = false;
  }
  by("next").focus();
  look();
}

// ---- acts

/** The case goes nowhere while what was written about it is not kept. */
async function saved() {
  if (!(await save())) throw new Error("Answers and note are not saved, so nothing else was done. See below them why, then try again.");
}

/** Something done with the case; a lost lease is shown, and what was written stays. */
async function act(work) {
  return during(by("case"), said, async () => {
    try {
      return await work(`/v1/desk/cases/${held.case}`, { token: held.token });
    } catch (problem) {
      if (problem.code === "desk.lease_lost") lose();
      throw problem;
    }
  });
}

async function dial(whom) {
  const worked = await act(async (path, body) => {
    const number = await ask("POST", `${path}/dial`, { body: whom ? { ...body, whom } : body });
    by("number").replaceChildren(element("a", { href: `tel:${number.phone}` }, number.phone));
    by("number").hidden = false;
    by("number-says").textContent = `Call ${number.n} of this case.${number.safety ? " At this hour only because it is critical; the owner sees that." : ""}`;
    by("number-says").hidden = false;
    const read = await ask("GET", path);
    showOutcomes(read.outcomes);
    if (read.what === "fault") await showOffers(path, book);
    return "";
  });
  if (worked) by("outcomes").focus();
}

async function settle(disposition) {
  let went = null;
  const worked = await act(async (path, body) => {
    await saved();
    const told = { ...body, disposition };
    if (disposition === "callback_at") {
      if (!by("at").value) throw new Error("Say first when to call back, on the customer's clock.");
      told.local = by("at").value;
    }
    if (disposition === "language" && by("language").value) told.language = by("language").value;
    went = await ask("POST", `${path}/disposition`, { body: told, wish: once() });
    return "";
  });
  if (worked) leave(`${outcomeWords(disposition)}: the case ${stateWords(went.state)}${went.due ? ` until ${second(went.due)}` : ""}.`);
}

/** A time was pressed: the slot is booked, then the outcome told; both once. */
async function book(slot, words) {
  let went = null;
  const worked = await act(async (path, body) => {
    await saved();
    try {
      await ask("POST", `${path}/book`, { body: { ...body, slot } });
    } catch (problem) {
      if (problem.status === 409) showOffers(path, book);
      throw problem;
    }
    went = await ask("POST", `${path}/disposition`, { body: { ...body, disposition: "booked" }, wish: once() });
    return "";
  });
  if (worked) leave(`Booked: ${words}. The case is ${stateWords(went.state)}; owner and garage get the invitation.`);
}

by("next").addEventListener("click", () => claim(null));
by("again").addEventListener("click", takeAgain);
by("leave").addEventListener("click", () => leave(""));
by("dial").addEventListener("click", () => dial(by("dial").dataset.whom));
by("dial-other").addEventListener("click", () => dial(by("dial-other").dataset.whom));
by("lock").addEventListener("click", () =>
  act(async (path, body) => {
    const said_ = await ask("POST", `${path}/lock`, { body });
    return said_.outcome === "done" ? "The car says that it is locked." : `Not certain: ${said_.outcome.replaceAll("_", " ")} ${said_.code}. Look at what happened, and try again.`;
  }),
);
by("release").addEventListener("click", async () => {
  const worked = await act(async (path, body) => {
    await saved();
    await ask("POST", `${path}/release`, { body });
    return "It is back on the list, as old as it was.";
  });
  if (worked) leave("");
});
by("close").addEventListener("click", async () => {
  const worked = await act(async (path, body) => {
    await saved();
    await ask("POST", `${path}/close`, { body });
    return "";
  });
  if (worked) leave("Help was given.");
});
by("outcomes").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) settle(button.dataset.outcome);
});
by("outcomes").addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const button = [...by("outcomes").querySelectorAll("button")].find((one) => one.getAttribute("aria-keyshortcuts") === event.key);
  if (!button) return;
  event.preventDefault();
  settle(button.dataset.outcome);
});
document.addEventListener("desk-lost", lose);
document.addEventListener("visibilitychange", look);

async function begin(who) {
  const first = me === null;
  me = who;
  by("who").textContent = `${who.role}, ${who.languages.join(", ")}`;
  if (first) setInterval(look, LOOK_MS);
  const before = JSON.parse(sessionStorage.getItem(KEPT) || "null");
  if (before && !held) {
    try {
      await open(before.case, before.token);
    } catch {
      sessionStorage.removeItem(KEPT);
      say(said, "The case you had is with somebody else, or done. What you wrote there last was saved.");
    }
  }
  await look();
}

enter(begin);
