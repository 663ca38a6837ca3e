// The wallboard: numbers of this moment, looked at whenever the desk's list has changed; it says when they are old.
import { element } from "/static/controls.js";
import { t } from "/static/words.js";
import { enter } from "/desk/desk_entry.js";
import { keepLooking } from "/desk/desk_live.js";
import { ask, by } from "/desk/desk_state.js";
import { age, levelWords, stateWords } from "/desk/desk_words.js";

const FRESH_MS = 500;
const KEPT_MS = 3_500;
let look = null;

/** Big numbers, each with its name; `bad` where it should be none. */
function tiles(list, all) {
  list.replaceChildren(
    ...all.map(([words, value, bad]) =>
      element("div", { className: bad ? "tile bad" : "tile" }, element("dt", {}, words), element("dd", { className: /^\d+$/.test(value) ? "" : "words" }, value)),
    ),
  );
}

function showBoard(board) {
  const levels = Object.entries(board.by_severity).map(([level, count]) => [levelWords(level), String(count), level === "critical" && count > 0]);
  tiles(by("severity"), [[t("help"), String(board.help_open), board.help_open > 0], ...levels]);
  tiles(by("numbers"), [
    [t("waiting"), String(board.waiting), false],
    [t("oldest"), board.oldest_since ? age(board.oldest_since) : t("none"), false],
    [t("too late"), String(board.breaches), board.breaches > 0],
    [t("unreached"), String(board.unreached), false],
    [t("for supervisors"), String(board.for_supervisors), false],
    [t("agents at work"), String(board.agents_at_work), false],
    [t("canary"), board.canary_age_s === null ? t("none yet") : t("{seconds} s ago", { seconds: Math.round(board.canary_age_s) }), false],
  ]);
  tiles(by("state"), Object.entries(board.by_state).map(([state, count]) => [stateWords(state), String(count), false]));
}

async function lookAgain() {
  try {
    const board = await ask("GET", "/v1/desk/wallboard");
    showBoard(board);
    // One count serves everybody for a moment: where this one is older than the signal, a newer one comes.
    if (Date.now() - new Date(board.at) > FRESH_MS) setTimeout(() => look && look(), KEPT_MS);
  } catch (problem) {
    if (problem.status === 401 || problem.status === 403) enter(begin);
    throw problem;
  }
}

function begin() {
  if (look) look();
  else look = keepLooking("/v1/desk/signals", lookAgain, by("live"));
}

enter(begin);
