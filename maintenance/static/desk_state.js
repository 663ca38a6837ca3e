// What the parts of the desk share: who works here, and the one case that is theirs.
import { ask as plainAsk } from "/static/requests.js";
import { problemWords } from "/desk/desk_words.js";

/** `me`: as the API names the agent; `held`: { case, token, read } of the case that is this tab's, or null. */
export const desk = { me: null, held: null };

export const by = (id) => document.getElementById(id);

/** Notes of one agent are for no other one who works in this tab later: they go before anything is shown. */
export function ownTab(me = "") {
  if (me && sessionStorage.getItem("desk.agent") === me) return;
  for (const name of Object.keys(sessionStorage)) if (name.startsWith("desk.")) sessionStorage.removeItem(name);
  if (me) sessionStorage.setItem("desk.agent", me);
}

/** As everywhere, with the desk's own words for what it refuses. */
export async function ask(...wish) {
  try {
    return await plainAsk(...wish);
  } catch (problem) {
    const words = problemWords(problem.code, problem.read || {});
    if (words) problem.message = words;
    throw problem;
  }
}

/** Which half a narrow screen shows: "list" or "case". Wide ones show all. */
export function show(part) {
  by("working").dataset.at = part;
}
