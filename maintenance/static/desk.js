// The desk: its parts put together once somebody may work here.
import { onSignedOut } from "/static/signed_out.js";
import { t } from "/static/words.js";
import { dial, release, settle } from "/desk/desk_acts.js";
import { enter } from "/desk/desk_entry.js";
import { drawKeys, keyOf, listenToKeys, loadKeys } from "/desk/desk_keys.js";
import { claim, goOn, lookAtCase } from "/desk/desk_lease.js";
import { forgetList, listTakes, lookAtList, step } from "/desk/desk_list.js";
import { keepLooking } from "/desk/desk_live.js";
import { drawOutcomes } from "/desk/desk_outcomes.js";
import { by, desk, ownTab, show } from "/desk/desk_state.js";
import { languageWords, roleWords } from "/desk/desk_words.js";

let look = null;

async function lookAgain() {
  try {
    await Promise.all([lookAtList(), lookAtCase()]);
  } catch (problem) {
    if (problem.status === 401 || problem.status === 403) enter(begin);
    throw problem;
  }
}

/** To a part of the page: a narrow screen shows it first. */
function go(id, part) {
  if (part === "case" && !desk.held) return;
  show(part);
  by(id).focus();
}

const ACTS = {
  next: () => claim(null),
  down: () => step(1),
  up: () => step(-1),
  queue: () => go("waiting", "list"),
  call: () => go("case-title", "case"),
  context: () => go("context", "case"),
  dial: () => desk.held && dial(by("dial").dataset.whom),
  answers: () => desk.held && (by("questions").querySelector("textarea") || by("note")).focus(),
  note: () => go("note", "case"),
  outcomes: () => go("outcomes", "case"),
  release,
  keys: toggleKeys,
};

function toggleKeys() {
  const open = by("keys").hidden;
  by("keys").hidden = !open;
  by("keys-open").setAttribute("aria-expanded", String(open));
  if (open) by("keys-title").focus();
  else by("keys-open").focus();
}

/** The keys beside what they do. */
function markKeys() {
  for (const [id, act] of [["next", "next"], ["dial", "dial"], ["release", "release"], ["keys-open", "keys"]]) {
    const key = keyOf(act);
    by(`${id}-key`).textContent = key;
    by(`${id}-key`).hidden = !key;
    if (key) by(id).setAttribute("aria-keyshortcuts", key);
    else by(id).removeAttribute("aria-keyshortcuts");
  }
  if (desk.held) drawOutcomes(by("outcomes"), desk.held.read.outcomes, true);
}

async function begin(who) {
  const first = desk.me === null;
  desk.me = who;
  ownTab(who.id);
  const languages = who.languages.map(languageWords).join(", ");
  by("who").textContent = t("{role}: {languages}", { role: roleWords(who.role), languages });
  if (first) {
    listTakes(claim);
    loadKeys(who.id, markKeys);
    markKeys();
    drawKeys(by("keys-list"), by("keys-said"));
    listenToKeys(ACTS, by("outcomes"), settle);
    by("keys-open").addEventListener("click", toggleKeys);
    by("keys-close").addEventListener("click", toggleKeys);
  }
  await goOn();
  if (first) look = keepLooking("/v1/desk/signals", lookAgain, by("live"));
  else {
    forgetList();
    look();
  }
}

onSignedOut(() => {
  ownTab();
  location.reload();
});
enter(begin);
