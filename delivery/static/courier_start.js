// Begins the courier's page: which screen is shown, how fresh it is, what waits to be sent, and the page's own updates.
import { link, signedIn } from "/courier/api.js";
import { device } from "/courier/device.js";
import { codeIn, showEnrol } from "/courier/enrol.js";
import { JobScreen } from "/courier/job.js";
import { drawList, lookAtList } from "/courier/list.js";
import { dismiss, giveUp, outbox, refusal, sendAll, waiting } from "/courier/outbox.js";
import { explain } from "/courier/problems.js";
import { keepShell } from "/courier/shell.js";
import { clear } from "/courier/store.js";
import { element, say } from "/static/controls.js";
import { second } from "/static/times.js";
import { n, t } from "/static/words.js";

const by = (id) => document.getElementById(id);
const LIST_MS = 20_000;
const JOB = /^dlv_[0-9a-z]+$/;
let screen = null;
let timer = 0;

function only(id) {
  for (const one of ["enrol", "list", "job"]) by(one).hidden = one !== id;
  by("back").hidden = id !== "job";
  clearTimeout(timer);
  screen?.leave();
  screen = null;
}

async function list() {
  only("list");
  const who = await device();
  by("whose").textContent = t("This phone is enrolled for {name}.", { name: who.name });
  await drawList();
  await look();
}

async function look() {
  clearTimeout(timer);
  try {
    await lookAtList();
    say(by("list-said"), "");
  } catch (problem) {
    if (problem.code === "device.unknown") return; // see `removed`
    say(by("list-said"), problem.message, "bad");
  }
  if (!by("list").hidden) timer = setTimeout(look, LIST_MS);
}

/** Whoever has the phone now has no job any more: plates, places and keys go from it at once, whatever is shown. */
async function removed() {
  if (by("enrol").hidden) await enrol("", explain("device.unknown"));
  await Promise.all([clear("jobs"), clear("keys"), giveUp("device.unknown")]);
}

async function enrol(code, words = "") {
  only("enrol");
  await showEnrol(code, () => route());
  if (words) say(by("enrol-said"), words, "bad");
}

function hash() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return ""; // nothing that a page of ours links to
  }
}

async function route() {
  const at = hash();
  const code = codeIn(at);
  // A code is a secret for ten minutes: it leaves the address bar at once.
  if (code) history.replaceState(null, "", location.pathname);
  const who = await device();
  if (code || !who || !who.courier) return enrol(code);
  if (!JOB.test(at)) return list();
  only("job");
  screen = new JobScreen(at);
  sendAll();
  return screen.start();
}

function tellLink() {
  by("live").hidden = false;
  by("live").dataset.state = link.online ? "live" : "old";
  const at = link.heard && second(link.heard);
  if (link.online) by("live").textContent = t("online");
  else by("live").textContent = at ? t("no network since {time}", { time: at }) : t("no network");
}

async function tellOutbox() {
  const items = await waiting();
  const count = items.filter((item) => !item.refused).length;
  const words = count ? n("{count} waiting to send", "{count} waiting to send", count) : "";
  if (by("waiting").textContent !== words) by("waiting").textContent = words;
  by("waiting").hidden = count === 0;
  const refused = items.filter((item) => item.refused);
  by("refused").hidden = refused.length === 0;
  by("refusals").replaceChildren(...refused.map(refusedItem));
}

const WHAT = { arrived: t("I am here"), photo: t("Photo"), fail: t("It cannot be done"), done: t("Done"), receipts: t("The car's receipts") };

function refusedItem(item) {
  const gone = element("button", { type: "button", className: "quiet big" }, t("I have read it"));
  gone.addEventListener("click", () => dismiss(item));
  const moment = second(new Date(item.at));
  return element("li", {}, element("strong", {}, `${WHAT[item.what]}, ${moment}`), element("p", {}, refusal(item)), gone);
}

link.addEventListener("change", tellLink);
link.addEventListener("unknown", removed);
outbox.addEventListener("change", tellOutbox);
outbox.addEventListener("change", () => !by("list").hidden && drawList());
addEventListener("hashchange", () => location.hash !== "#main" && route()); // the link that skips to the content
addEventListener("online", () => (screen ? screen.look() : !by("list").hidden && look()));
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && screen?.look());
by("back").addEventListener("click", (event) => {
  event.preventDefault();
  history.replaceState(null, "", location.pathname);
  route();
});

keepShell(by("newer"), by("use-newer"), () => screen === null);
tellLink();
try {
  await tellOutbox();
  await route();
  const who = await device();
  if (who && who.courier) signedIn().then(sendAll, () => undefined);
} catch {
  by("cannot").textContent = globalThis.isSecureContext
    ? t("This browser does not let the page keep a key. Use an ordinary window, not a private one.")
    : t("Open this page by its https address: without it a browser keeps no key.");
  by("cannot").hidden = false;
}
