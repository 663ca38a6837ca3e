// Begins the demo's page: lets this browser in, waits for the cast, then keeps drawing, log and screens true.
import { now, showCar, showSaid, showScene } from "/static/stage_car.js";
import { act, enter, listen, start } from "/static/stage_door.js";
import { atTheCar, farAway, nudgeCourier, raise, showMail, walk } from "/static/stage_frames.js";
import { play, playing } from "/static/stage_play.js";
import { keepTabs, newsAt } from "/static/stage_tabs.js";
import { speaker, worded } from "/static/stage_words.js";
import { during, element, say } from "/static/controls.js";
import { second } from "/static/times.js";
import { t } from "/static/words.js";

const by = (id) => document.getElementById(id);
const AGAIN_MS = 1_500;
const LOG_MOST = 80;
let courier = "";

function only(id) {
  for (const one of ["closed", "setting", "scene"]) by(one).hidden = one !== id;
  by("acts").hidden = id !== "scene";
}

function closed(words) {
  if (words) by("closed-says").textContent = words;
  only("closed");
}

async function letIn() {
  const token = location.hash.slice(1);
  // The link's secret leaves the address bar before it is used.
  history.replaceState(null, "", location.pathname);
  if (token) await start(token);
  for (;;) {
    try {
      return await enter();
    } catch (problem) {
      if (problem.status !== 503) throw problem;
      only("setting");
      await new Promise((done) => setTimeout(done, AGAIN_MS));
    }
  }
}

function heard(name, data, past) {
  switch (name) {
    case "car":
      return showCar(data);
    case "scene":
      showScene(data);
      by("order").disabled = by("play").disabled = Boolean(data.delivery) || playing() || !courier;
      return undefined;
    case "mail":
      if (!past) newsAt("owner");
      return past || playing() ? undefined : showMail(data);
    case "said":
      return saidNow(data, past);
    case "gone":
      return closed(t("The demo has ended. Start it again, and open the address that it prints."));
    default:
      return undefined;
  }
}

function saidNow(data, past) {
  showSaid(data);
  log(data);
  if (past) return placeOf(data.kind);
  if (data.kind === "delivery.en_route") walk();
  else placeOf(data.kind);
  if (data.kind === "key.signed" || data.kind === "delivery.blocked") nudgeCourier();
  if (data.kind === "key.handed_out") newsAt("courier");
  if (data.kind === "trigger.queued") newsAt("desk");
  return undefined;
}

function placeOf(kind) {
  if (kind === "delivery.requested") farAway();
  if (kind === "delivery.arrived" || kind === "delivery.en_route") atTheCar();
}

function log(data) {
  const words = worded(data);
  if (!words) return;
  const row = element("li", {},
    element("time", { dateTime: data.at }, second(new Date(data.at))),
    element("span", { className: `badge ${words.who}` }, speaker(words.who)),
    element("span", {}, words.text));
  by("log-list").prepend(row);
  while (by("log-list").children.length > LOG_MOST) by("log-list").lastElementChild.remove();
  by("log").hidden = false;
  by("log-none").hidden = true;
}

async function order() {
  const { delivery } = await act("order", { courier });
  return delivery;
}

by("order").addEventListener("click", () =>
  during(by("acts"), by("said"), async () => {
    await order();
    return t("Ordered. Ada's phone rings: tap the mail on it.");
  }),
);
by("play").addEventListener("click", () => play({ order, now, done: () => heard("scene", now().scene, false) }));

// A fresh link that is opened where this page stands already.
addEventListener("hashchange", () => location.hash && location.reload());
keepTabs();
try {
  await letIn();
  only("scene");
  const ready = new Promise((done) => {
    listen((name, data, past) => {
      heard(name, data, past);
      if (name === "scene") done(data);
    });
  });
  const scene = await ready;
  courier = await raise(scene.home);
  heard("scene", now().scene, false);
} catch (problem) {
  if (problem.status === 401 || problem.status === 410) closed(problem.status === 410 ? problem.message : "");
  else say(by("said"), problem.message, "bad");
}
