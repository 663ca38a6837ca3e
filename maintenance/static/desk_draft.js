// Answers and note: saved a moment after every change; a stale saving overwrites nothing, and both texts stay.
import { element } from "/static/controls.js";
import { second } from "/static/times.js";
import { t } from "/static/words.js";
import { ask, by } from "/desk/desk_state.js";

const WAIT_MS = 600;
let held = null; // { case, token, n }
let timer = 0;
let saving = null;
let wanted = false;
let stands = null; // what was saved from elsewhere
let asked = ""; // the questions that are drawn

const kept = (id) => `desk.draft.${id}`;

function written() {
  const answers = {};
  for (const box of by("questions").querySelectorAll("textarea")) if (box.value) answers[box.name] = box.value;
  return { answers, note: by("note").value };
}

function fill(answers, note) {
  for (const box of by("questions").querySelectorAll("textarea")) box.value = answers[box.name] || "";
  by("note").value = note;
}

/** Show the script of a case; what this tab wrote and could not save is put back. */
export function openDraft(read, lease) {
  held = { case: read.id, token: lease ? lease.token : null, n: read.draft_n };
  stands = null;
  by("stale").hidden = true;
  asked = "";
  drawScript(read);
  fill(read.answers, read.note);
  by("saved").textContent = "";
  const before = sessionStorage.getItem(kept(read.id));
  if (before) {
    const own = JSON.parse(before);
    fill(own.answers, own.note);
    // Saved under the number it was written on: where another saved meanwhile, both are shown.
    held.n = own.n;
    save();
  }
}

/** The case has changed while it is written about: another script, and not a letter of what is there is touched. */
export function renewScript(read) {
  if (held && held.case === read.id) drawScript(read);
}

function drawScript(read) {
  const now = JSON.stringify([read.script, read.script_owner]);
  if (now === asked) return;
  const [before, first] = [written(), asked === ""];
  const focus = document.activeElement;
  const at = focus && by("questions").contains(focus) ? [focus.name, focus.selectionStart, focus.selectionEnd] : null;
  asked = now;
  by("opening").textContent = read.script_owner.opening;
  by("opening").lang = read.script_owner.language;
  by("closing").textContent = read.script_owner.closing;
  by("closing").lang = read.script_owner.language;
  const mine = new Map(read.script.questions);
  by("questions").replaceChildren(
    ...read.script_owner.questions.flatMap(([id, text]) => [
      element("label", { htmlFor: `q-${id}`, lang: read.script_owner.language }, text),
      ...(mine.get(id) === text ? [] : [element("p", { className: "muted small", lang: read.script.language }, mine.get(id))]),
      element("textarea", { id: `q-${id}`, name: id, rows: 2, maxLength: 2000 }),
    ]),
  );
  if (first) return;
  fill(before.answers, before.note);
  const again = at && by(`q-${at[0]}`);
  if (!again) return;
  again.focus();
  again.setSelectionRange(at[1], at[2]);
}

/** The case is this tab's again. */
export function holdDraft(token) {
  if (held) held.token = token;
  save();
}

/** It is not: nothing is saved until it is taken again. */
export function dropDraft() {
  if (held) held.token = null;
}

/** The case is done with; what could not be saved stays in this tab, for when it has the case again. */
export function closeDraft() {
  clearTimeout(timer);
  held = null;
}

function keep() {
  sessionStorage.setItem(kept(held.case), JSON.stringify({ ...written(), n: held.n }));
}

/** Save now; whether nothing unsaved is left. */
export async function save() {
  clearTimeout(timer);
  wanted = true;
  if (!saving) saving = run().finally(() => (saving = null));
  await saving;
  return !wanted && !stands;
}

async function run() {
  while (wanted && held && held.token && !stands) {
    wanted = false;
    const at = held;
    keep();
    by("saved").textContent = t("Saving…");
    const sent = written();
    try {
      const said = await ask("PUT", `/v1/desk/cases/${at.case}/draft`, { body: { token: at.token, n: at.n, ...sent } });
      at.n = said.draft_n;
      if (held !== at || wanted) continue;
      // What was written meanwhile is not saved by this: it stays in the tab until its own turn.
      if (JSON.stringify(written()) !== JSON.stringify(sent)) {
        keep();
        continue;
      }
      sessionStorage.removeItem(kept(at.case));
      by("saved").textContent = t("Saved {time}", { time: second(new Date()) });
    } catch (problem) {
      wanted = true;
      by("saved").textContent = t("Not saved. {why}", { why: problem.message });
      if (problem.code === "desk.draft_stale") showStale(problem.read);
      if (problem.code === "desk.lease_lost") document.dispatchEvent(new Event("desk-lost"));
      return;
    }
  }
}

function showStale(read) {
  stands = read;
  const answers = Object.values(read.answers).join(" / ");
  by("theirs").textContent = [answers, read.note].filter(Boolean).join(" - ") || t("(nothing)");
  by("stale").hidden = false;
}

function settle(takeTheirs) {
  if (!stands || !held) return;
  held.n = stands.draft_n;
  if (takeTheirs) fill(stands.answers, stands.note);
  stands = null;
  by("stale").hidden = true;
  by("note").focus();
  save();
}

by("script").addEventListener("submit", (event) => event.preventDefault());
by("script").addEventListener("input", () => {
  if (!held) return;
  keep();
  by("saved").textContent = t("Not saved yet");
  clearTimeout(timer);
  timer = setTimeout(save, WAIT_MS);
});
by("mine").addEventListener("click", () => settle(false));
by("take-theirs").addEventListener("click", () => settle(true));
