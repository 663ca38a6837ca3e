// Having a case: taken once, kept by a heartbeat, lost without losing what was written, left with a time to write up.
import { during, lead, say } from "/static/controls.js";
import { once } from "/static/requests.js";
import { t } from "/static/words.js";
import { hideOffers } from "/desk/desk_booking.js";
import { showCase } from "/desk/desk_case.js";
import { closeDraft, dropDraft, holdDraft, openDraft, renewScript } from "/desk/desk_draft.js";
import { focusOn, forgetList, lookAtList } from "/desk/desk_list.js";
import { ask, by, desk, show } from "/desk/desk_state.js";
import { clockOf } from "/desk/desk_words.js";

const BEAT_PART = 3;
const KEPT = "desk.case";
const said = by("said");
let beating = 0;
let ticking = 0;

/** Take this case, or the best that waits. */
export async function claim(id) {
  if (desk.held) return;
  await during(by("queue"), said, async () => {
    try {
      const got = await ask("POST", "/v1/desk/claim", { body: id ? { case: id } : {}, wish: once() });
      await open(got.case, got.token);
    } catch (problem) {
      forgetList();
      if (problem.code === "desk.taken" && problem.read.next) {
        const next = problem.read.next;
        queueMicrotask(() => lookAtList().then(() => focusOn(next), () => {}));
      }
      throw problem;
    }
  });
  await lookAtList().catch(() => {});
}

async function open(id, token) {
  const read = await ask("GET", `/v1/desk/cases/${id}`);
  desk.held = { case: id, token, read };
  remember();
  forgetList();
  clearInterval(ticking);
  by("after").hidden = true;
  by("lost").hidden = true;
  by("idle").hidden = true;
  by("next").hidden = true;
  showCase(read, { anew: true });
  hideOffers();
  openDraft(read, { token });
  by("at").value = "";
  by("case").hidden = false;
  by("context").hidden = false;
  by("to-case").hidden = false;
  by("working").dataset.case = "yes";
  show("case");
  lead(by("case-title"));
  beat();
}

function remember() {
  sessionStorage.setItem(KEPT, JSON.stringify({ case: desk.held.case, token: desk.held.token }));
  history.replaceState(null, "", `#${desk.held.case}`);
}

function beat() {
  clearInterval(beating);
  beating = setInterval(async () => {
    if (!desk.held) return;
    try {
      await ask("POST", `/v1/desk/cases/${desk.held.case}/heartbeat`, { body: { token: desk.held.token }, looks: true });
    } catch (problem) {
      if (problem.code === "desk.lease_lost") lose();
    }
  }, (desk.me.lease_s * 1000) / BEAT_PART);
}

/** Somebody else has it now, or nobody: what was written stays on the page. */
export function lose() {
  clearInterval(beating);
  dropDraft();
  if (!by("lost").hidden) return;
  show("case");
  by("lost").hidden = false; // an alert: it is heard
  // Whoever is writing goes on writing: letters that go elsewhere would be lost, or be keys.
  if (!by("script").contains(document.activeElement)) lead(by("lost"));
}

/** The case as it stands now; what is being written is left alone. */
export async function lookAtCase() {
  const held = desk.held;
  // While something is done with it, what it becomes is the answer of that.
  if (!held || !by("lost").hidden || by("case").getAttribute("aria-busy") === "true") return;
  try {
    const read = await ask("GET", `/v1/desk/cases/${held.case}`);
    if (desk.held !== held || by("case").getAttribute("aria-busy") === "true") return;
    if (!read.lease || read.lease.token !== held.token) {
      lose();
      return;
    }
    if (JSON.stringify({ ...read, lease: null }) === JSON.stringify({ ...held.read, lease: null })) return;
    held.read = read;
    showCase(read, { anew: false });
    renewScript(read);
  } catch (problem) {
    if (problem.status !== 404) throw problem;
    if (desk.held === held && by("case").getAttribute("aria-busy") !== "true") lose();
  }
}

async function takeAgain() {
  await during(by("case"), said, async () => {
    const got = await ask("POST", "/v1/desk/claim", { body: { case: desk.held.case }, wish: once() });
    desk.held.token = got.token;
    remember();
    by("lost").hidden = true;
    beat();
    holdDraft(got.token);
    lead(by("case-title"));
  });
  await lookAtCase().catch(() => {});
}

/** Nothing is open any more. `words`: what came of it; then the time to write up runs. */
export function leave(words) {
  clearInterval(beating);
  closeDraft();
  desk.held = null;
  forgetList();
  sessionStorage.removeItem(KEPT);
  history.replaceState(null, "", location.pathname);
  for (const id of ["case", "context", "to-case"]) by(id).hidden = true;
  by("idle").hidden = false;
  by("next").hidden = false;
  by("working").dataset.case = "no";
  show("list");
  if (words) writeUp(words);
  by("next").focus();
  lookAtList().catch(() => {});
}

function writeUp(words) {
  by("after-says").textContent = words;
  const begun = Date.now();
  const tick = () => {
    const gone = Math.floor((Date.now() - begun) / 1000);
    by("after-time").textContent = t("{gone} of {whole}", { gone: clockOf(gone), whole: clockOf(desk.me.after_call_s) });
  };
  tick();
  clearInterval(ticking);
  ticking = setInterval(tick, 1000);
  by("after").hidden = false;
}

/** What was open in this tab, else what the address names after `#`. */
export async function goOn() {
  const before = JSON.parse(sessionStorage.getItem(KEPT) || "null");
  if (before && !desk.held) {
    try {
      await open(before.case, before.token);
      const read = desk.held.read;
      if (!read.lease || read.lease.token !== before.token) lose();
      return;
    } catch {
      sessionStorage.removeItem(KEPT);
      if (location.hash.slice(1) === before.case) history.replaceState(null, "", location.pathname);
      say(said, t("The case you had is with somebody else, or done. What you wrote there last was saved."));
    }
  }
  await named();
}

/** `/desk#<case>`: take it, as its button would; whoever may not is told why. */
async function named() {
  const wanted = decodeURIComponent(location.hash.slice(1));
  if (!/^cse_[0-9a-z]{16}\.[a-z_]{1,24}\.[0-9]{1,9}$/.test(wanted)) return;
  if (desk.held) {
    if (desk.held.case !== wanted) say(said, t("Finish or give back the case you have before you take another."), "bad");
    history.replaceState(null, "", `#${desk.held.case}`);
    return;
  }
  await claim(wanted);
  if (!desk.held) history.replaceState(null, "", location.pathname);
}

by("next").addEventListener("click", () => claim(null));
by("again").addEventListener("click", takeAgain);
by("leave").addEventListener("click", () => leave(""));
by("to-list").addEventListener("click", () => {
  show("list");
  by("to-case").focus();
});
by("to-case").addEventListener("click", () => {
  show("case");
  by("case-title").focus();
});
addEventListener("hashchange", () => desk.me && named());
document.addEventListener("desk-lost", lose);
