// A delivery of the signed-in person: how it stands, what happened with seconds, the key's true state, answer and block.
import { during, element, lead, rows, say, twice } from "/static/controls.js";
import { follow } from "/static/live.js";
import { ask } from "/static/requests.js";
import { moment, second, span } from "/static/times.js";
import { answer, notMe, showNeeded } from "/delivery/answering.js";
import { offerHelp } from "/delivery/help.js";
import { newsAge, showQuestion } from "/delivery/question.js";
import { carWords, happenedWords, keyWords, placeWords, purpose, standing } from "/delivery/words.js";

const by = (id) => document.getElementById(id);
const card = by("delivery");
const said = by("said");
const path = `/v1/owner/deliveries/${card.dataset.id}`;
let shown = "";
let current = null;

function show(read) {
  // The same again changes nothing on the page: what is being read or pressed stays where it is.
  const text = JSON.stringify(read);
  if (text === shown) return;
  [shown, current] = [text, read];
  const title = `${read.carrier_name}: ${read.kind === "pickup" ? "pickup" : "delivery"}`;
  by("title").textContent = title;
  document.title = `${title} - Trunkline`;
  const { title: state, next, tone } = standing(read);
  by("stands").className = `stands ${tone}`;
  if (by("state").textContent !== state) by("state").textContent = state;
  if (by("next").textContent !== next) by("next").textContent = next;
  const asks = read.state === "asked" && read.can_block && read.question !== null && read.question.decided === null;
  by("answers").hidden = !asks;
  if (asks) {
    showQuestion(by("facts"), { ...read.question, car: read.car, out_by_m: read.out_by_m });
    showNeeded(read.question.needed, { session: true });
  } else showFacts(read);
  by("timeline").replaceChildren(...read.timeline.map(line));
  by("photos").replaceChildren(...read.photos.map(photo));
  by("photographed").hidden = read.photos.length === 0;
  by("stop").hidden = !read.can_block || asks;
  by("test").hidden = read.livemode;
  by("helping").hidden = !read.livemode;
  card.hidden = false;
}

function showFacts(read) {
  rows(by("facts"), [
    ["Key", keyWords(read.key)],
    ["Who", read.carrier_name],
    ["Courier", read.courier_name || "not named yet"],
    ["What", `${purpose(read.kind, read.opens)}${read.parcels > 1 ? `, ${read.parcels} parcels` : ""}`],
    ["When", span(read.window)],
    ["Where", placeWords(read.place)],
    ["Your car", read.car ? carWords(read.car, read.out_by_m) : ""],
    ["Decided", read.question && read.question.decided_at ? `${read.question.decided === "approve" ? "approved" : "declined"} ${moment(read.question.decided_at)}` : ""],
  ]);
}

function line([at, what]) {
  const time = element("time", { dateTime: at }, second(at));
  return element("li", {}, time, element("span", {}, happenedWords(what)));
}

function photo(sha256, index) {
  return element("li", {}, element("a", { href: `${path}/photos/${sha256}` }, `Photo ${index + 1}`));
}

/** Between the tap and the lock's last word, and until a revoked key is known dead. */
function carIsAtWork() {
  return ["opening", "open", "closed"].includes(current.state) || current.key.state === "ending";
}

async function look() {
  try {
    show(await ask("GET", path));
  } catch (problem) {
    if (problem.status === 401) by("sign-in").hidden = false;
    throw problem;
  }
}

async function decide(decision, { silent = false, disowned = false } = {}) {
  const asked = current.question;
  const fra = newsAge(decision, asked, by("offline"));
  const worked = await during(by("answers"), said, async () => {
    const at = { decide: `${path}/decision`, base: {}, challenge: { path: `${path}/challenge`, base: {} }, session: true };
    show(await answer(at, asked, { decision, silent, notMe: disowned, fra }));
  });
  if (worked) lead(by("stands"));
  else await look().catch(() => undefined);
}

async function block() {
  const worked = await during(by("stop"), said, async () => {
    show(await ask("POST", `${path}/block`));
  });
  if (worked) lead(by("stands"));
  else await look().catch(() => undefined);
}

by("approve").addEventListener("click", () => decide("approve"));
by("decline").addEventListener("click", () => decide("decline"));
by("silent").addEventListener("click", () => decide("decline", { silent: true }));
offerHelp(path);
notMe(() => decide("decline", { disowned: true }));
twice(by("block"), "Block this delivery? Its key is destroyed, and this page says when that is certain. The carrier has to ask you anew.", "Yes, block it", block);
by("enter").addEventListener("click", () => {
  // A mail's link opens another tab: there the sign-in page finds where to come back to.
  localStorage.setItem("back", JSON.stringify({ to: location.pathname, at: Date.now() }));
});
look().then(
  () => {
    say(said, "");
    follow(`${path}/events`, look, by("live"), carIsAtWork);
  },
  (problem) => say(said, problem.message, "bad"),
);
