// The wallboard: numbers of this moment, looked at again and again; it says when they are old.
import { rows } from "/static/controls.js";
import { ask } from "/static/requests.js";
import { second } from "/static/times.js";
import { enter } from "/desk/desk_entry.js";
import { age, stateWords } from "/desk/desk_words.js";

const LOOK_MS = 4_000;
const by = (id) => document.getElementById(id);
let begun = false;

function show(board) {
  const severities = Object.entries(board.by_severity).map(([level, count]) => [level, String(count)]);
  rows(by("severity"), [["help", String(board.help_open)], ...severities]);
  rows(by("numbers"), [
    ["waiting", String(board.waiting)],
    ["oldest", board.oldest_since ? age(board.oldest_since) : "none"],
    ["too late", String(board.breaches)],
    ["unreached", String(board.unreached)],
    ["supervisor", String(board.for_supervisors)],
    ["at work", String(board.agents_at_work)],
    ["canary", board.canary_age_s === null ? "none yet" : `${Math.round(board.canary_age_s)} s ago`],
  ]);
  rows(by("state"), Object.entries(board.by_state).map(([state, count]) => [stateWords(state), String(count)]));
  by("live").dataset.state = "live";
  by("live").textContent = `as of ${second(board.at)}`;
}

async function look() {
  if (document.visibilityState !== "visible") return;
  try {
    show(await ask("GET", "/v1/desk/wallboard"));
  } catch (problem) {
    by("live").dataset.state = "old";
    by("live").textContent = `not live: ${problem.message}`;
    if (problem.status === 401 || problem.status === 403) enter(begin);
  }
}

function begin() {
  look();
  if (begun) return;
  begun = true;
  setInterval(look, LOOK_MS);
  document.addEventListener("visibilitychange", look);
}

enter(begin);
