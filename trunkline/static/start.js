// The start page of a signed-in person: deliveries into their cars, the cars with their addresses, a car to add.
import { showCars } from "/static/cars.js";
import { during, element, say } from "/static/controls.js";
import { ask, once } from "/static/requests.js";
import { second, span } from "/static/times.js";
import { stateName } from "/delivery/words.js";

const LOOK_MS = 15_000;
const by = (id) => document.getElementById(id);
const said = by("said");
let listed = "";

function entry(read) {
  const [words, tone] = stateName(read.state);
  const title = `${read.carrier_name}: ${read.kind === "pickup" ? "pickup" : "delivery"}`;
  return element(
    "li",
    {},
    element(
      "div",
      { className: "line" },
      element("a", { className: "entry", href: `/deliveries/${read.id}` }, title),
      element("span", { className: `badge ${tone}` }, words),
    ),
    element("div", { className: "muted small" }, `${span(read.window)}${read.livemode ? "" : " (test)"}`),
  );
}

async function lookAtDeliveries() {
  const { data } = await ask("GET", "/v1/owner/deliveries?limit=20");
  const text = JSON.stringify(data);
  if (text !== listed) {
    listed = text;
    const waits = (read) => (read.state === "asked" ? 0 : 1);
    const held = document.activeElement?.getAttribute("href");
    by("deliveries").replaceChildren(...data.toSorted((one, other) => waits(one) - waits(other)).map(entry));
    if (held) document.querySelector(`#deliveries a[href="${CSS.escape(held)}"]`)?.focus();
    by("none").hidden = data.length > 0;
  }
  by("live").textContent = `as of ${second(new Date())}`;
}

async function refresh() {
  if (document.visibilityState !== "visible") return;
  await lookAtDeliveries().catch((problem) => problem.status === 401 && over(problem));
}

function over(problem) {
  say(said, problem.message, "bad");
  by("yours").hidden = true;
  by("sign-in").hidden = problem.status !== 401;
}

async function lookAtCars() {
  const { data } = await ask("GET", "/v1/owner/cars");
  await showCars(by("cars"), data);
}

async function begin() {
  const me = await ask("GET", "/v1/me");
  by("me").textContent = `Signed in as ${me.email}${me.name ? ` (${me.name})` : ""}.`;
  by("recovery").hidden = !me.recovery_from;
  by("no-yes").hidden = me.approves_by !== "nothing";
  await Promise.all([lookAtDeliveries(), lookAtCars()]);
  say(said, "");
  by("yours").hidden = false;
  setInterval(refresh, LOOK_MS);
  document.addEventListener("visibilitychange", refresh);
}

let wish = once();
by("claim").addEventListener("input", () => (wish = once()));
by("claim").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.currentTarget;
  during(form, by("claimed"), async () => {
    await ask("POST", "/v1/owner/cars/claim", { body: { code: form.elements.code.value.trim() }, wish });
    form.reset();
    wish = once();
    await lookAtCars();
    return "The car is among yours now. Make an address for it and give it to a shop.";
  });
});
by("sign-out").addEventListener("click", () =>
  during(by("sign-out").parentElement, by("left"), async () => {
    await ask("DELETE", "/v1/session");
    location.replace("/");
  }),
);
begin().catch(over);
