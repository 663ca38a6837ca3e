// A delivery of the signed-in person: how it stands, what happened with seconds, the key's true state, answer and block.
import { during, element, lead, rows, say, twice } from "/static/controls.js";
import { follow } from "/static/live.js";
import "/static/mini-map.js";
import { ask } from "/static/requests.js";
import { beside, clockNote, second, span } from "/static/times.js";
import { t } from "/static/words.js";
import { showPhotos } from "/delivery/album.js";
import { answer, notMe, showNeeded } from "/delivery/answering.js";
import { offerChanges, showChanges } from "/delivery/changing.js";
import { offerHelp } from "/delivery/help.js";
import { newsAge, showQuestion } from "/delivery/question.js";
import { carWords, deliveryTitle, happenedWords, keyIsDying, keyWords, placeWords, purpose, questionTitle, standing } from "/delivery/words.js";

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
  const asks = read.state === "asked" && read.can_block && read.question !== null && read.question.decided === null;
  const title = asks ? questionTitle(read.kind, read.carrier_name) : deliveryTitle(read);
  put("title", title);
  document.title = `${title} - Trunkline`;
  const { title: state, next, tone } = standing(read);
  by("stands").className = `stands ${tone}`;
  put("state", state);
  put("next", next);
  by("answers").hidden = !asks;
  if (asks) {
    showQuestion(by("facts"), { ...read.question, car: read.car, out_by_m: read.out_by_m, zone: read.zone });
    showNeeded(read.question.needed, { session: true });
  } else showFacts(read);
  by("map").points = agreed(read.place);
  by("timeline").replaceChildren(...read.timeline.map((one) => line(one, read.zone)), ...awaited(read.key, read.zone));
  put("clock", clockNote(read.zone));
  by("clock").hidden = by("clock").textContent === "";
  showPhotos(by("photos"), path, read.photos);
  by("photographed").hidden = read.photos.length === 0;
  by("stop").hidden = !read.can_block || asks;
  by("proof").hidden = !read.livemode || read.key.state === "none";
  showChanges(read);
  by("test").hidden = read.livemode;
  by("helping").hidden = !read.livemode;
  card.hidden = false;
}

function put(id, words) {
  if (by(id).textContent !== words) by(id).textContent = words;
}

function showFacts(read) {
  rows(by("facts"), [
    [t("Key"), keyWords(read.key, read.zone)],
    [t("Who"), read.carrier_name],
    [t("Courier"), read.courier_name || t("not named yet")],
    [t("What"), purpose(read.kind, read.opens, read.parcels)],
    [t("When"), span(read.window, read.zone)],
    [t("Where"), placeWords(read.place)],
    [t("Your car"), read.car ? carWords(read.car, read.out_by_m, read.zone) : ""],
    [t("Decided"), decided(read.question, read.zone)],
  ]);
}

function decided(question, zone) {
  if (!question || !question.decided_at) return "";
  const time = beside(question.decided_at, zone);
  return question.decided === "approve" ? t("approved {time}", { time }) : t("declined {time}", { time });
}

function line([at, what], zone) {
  const time = element("time", { dateTime: at }, second(at, zone));
  return element("li", {}, time, element("span", {}, happenedWords(what)));
}

/** The agreed place as the map draws it. Where the car itself stands is not told to everybody of the car. */
function agreed(place) {
  if (place.kind !== "circle") return [];
  const [lat, lon] = place.centre.map(Number);
  return [{ kind: "place", lat, lon, radius_m: Number(place.radius_m) }];
}

/** The end that every key has, as long as nothing else ended it. */
function awaited(key, zone) {
  if (!key.dies_at || !["made", "ending"].includes(key.state)) return [];
  const words = key.state === "made" ? t("The key dies by itself, unless it is used up before") : t("The key dies by itself at the latest; the car has not confirmed it yet");
  const time = element("time", { dateTime: key.dies_at }, second(key.dies_at, zone));
  return [element("li", { className: "to-come" }, time, element("span", {}, words))];
}

/** Between the tap and the lock's last word, and until a revoked key is known dead. */
function carIsAtWork() {
  return ["opening", "open", "closed"].includes(current.state) || keyIsDying(current);
}

async function look() {
  try {
    show(await ask("GET", path));
  } catch (problem) {
    if ([401, 403, 404].includes(problem.status)) {
      // The session is over, or the car is the reader's no more: what was read stays on no screen.
      card.hidden = true;
      shown = "";
      say(said, problem.message, "bad");
      by("sign-in").hidden = problem.status !== 401;
    }
    throw problem;
  }
}

/** What the page brought along, else what the API says now: either way the stream makes it look again. */
async function first() {
  const carried = by("carried").textContent;
  if (carried) show(JSON.parse(carried));
  else await look();
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
offerChanges(path, show);
offerHelp(path);
notMe(() => decide("decline", { disowned: true }));
twice(
  by("block"),
  t("Block this delivery? Its key is destroyed, and this page says when that is certain. The carrier has to ask you anew."),
  t("Yes, block it"),
  block,
);
by("enter").addEventListener("click", () => {
  // A mail's link opens another tab: there the sign-in page finds where to come back to.
  localStorage.setItem("back", JSON.stringify({ to: location.pathname, at: Date.now() }));
});
first().then(
  () => {
    say(said, "");
    // Whoever comes by "Approve" or "Decline" of the start page has its button at hand: it is pressed here, after a look.
    const wanted = by(location.hash.slice(1));
    if (wanted && ["approve", "decline"].includes(wanted.id) && !by("answers").hidden) wanted.focus();
    follow(`${path}/events`, look, by("live"), carIsAtWork);
  },
  (problem) => say(said, problem.message, "bad"),
);
