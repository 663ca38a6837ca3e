// The start page of a signed-in person: what needs a decision first, then what is under way, the cars, what is past.
import { carName, showCars } from "/static/cars.js";
import { during, element, say } from "/static/controls.js";
import { follow } from "/static/live.js";
import { ask, once } from "/static/requests.js";
import { forgetHere } from "/static/signed_out.js";
import { here, moment, second, span } from "/static/times.js";
import { t } from "/static/words.js";
import { deliveryTitle, isPast, placeWords, purpose, questionTitle, standing, stateName } from "/delivery/words.js";

const PAST_SHOWN = 5;
/** It ends a line rather than beginning one. */
const DOT = "\u00a0· ";
const by = (id) => document.getElementById(id);
const said = by("said");
let cars = [];
let listed = "";
let every = false;

function where(read) {
  const car = cars.find((one) => one.vehicle === read.vehicle);
  return car && cars.length > 1 ? carName(car) : "";
}

function small(...parts) {
  return element("div", { className: "muted small" }, parts.filter(Boolean).join(DOT));
}

/** When it was asked, to the second: by it two questions differ that are alike in all else. */
function askedAt(read) {
  const found = read.timeline.findLast(([, what]) => what === "asked");
  return found ? t("Asked {time}", { time: second(found[0], read.zone) }) : "";
}

/** A question: its two answers lead to its page, where it is looked at whole and decided. */
function question(read) {
  const page = `/deliveries/${read.id}`;
  const title = questionTitle(read.kind, read.carrier_name);
  const when = span(read.window, read.zone);
  const link = (to, words, look) => element("a", { className: look, href: `${page}#${to}`, "aria-label": `${words}: ${title} ${when}` }, words);
  const courier = read.courier_name ? t("Courier: {name}", { name: read.courier_name }) : "";
  return element(
    "article",
    { className: "card asks" },
    element("h3", {}, element("a", { href: page }, title)),
    element("p", { className: "when" }, when),
    element("p", {}, [purpose(read.kind, read.opens, read.parcels), where(read) || placeWords(read.place), courier].filter(Boolean).join(DOT)),
    small(askedAt(read), t("Answer by {time}", { time: moment(read.question.expires_at, read.zone) }), read.livemode ? "" : t("a test")),
    element("div", { className: "two" }, link("approve", t("Approve…"), "button"), link("decline", t("Decline…"), "button bad")),
  );
}

function entry(read, more) {
  const [words, tone] = stateName(read.state);
  return element(
    "li",
    {},
    element(
      "div",
      { className: "line" },
      element("a", { className: "entry", href: `/deliveries/${read.id}` }, deliveryTitle(read)),
      element("span", { className: `badge ${tone}` }, words),
    ),
    more ? element("div", {}, more) : "",
    small(where(read), span(read.window, read.zone), read.livemode ? "" : t("a test")),
  );
}

/** Whether this reader may answer it now. */
function asks(read) {
  const car = cars.find((one) => one.vehicle === read.vehicle);
  return read.state === "asked" && read.question !== null && read.question.decided === null && Boolean(car && car.may_approve);
}

/** Draw a list anew; whoever stood on one of its links stands there again. */
function draw(id, made) {
  const held = document.activeElement?.getAttribute("href");
  by(id).replaceChildren(...made);
  if (held && document.activeElement === document.body) document.querySelector(`#yours a[href="${CSS.escape(held)}"]`)?.focus();
}

function show(data) {
  const waiting = data.filter(asks);
  const past = data.filter((read) => !asks(read) && isPast(read));
  const now = data.filter((read) => !asks(read) && !isPast(read));
  const soonest = (one, other) => new Date(one.window.start) - new Date(other.window.start);
  draw("asks", waiting.toSorted((one, other) => new Date(one.question.expires_at) - new Date(other.question.expires_at)).map(question));
  draw("now", now.toSorted(soonest).map((read) => entry(read, standing(read).title)));
  draw("before", past.slice(0, every ? past.length : PAST_SHOWN).map((read) => entry(read)));
  by("deciding").hidden = waiting.length === 0;
  by("going").hidden = now.length === 0;
  by("past").hidden = past.length === 0;
  by("all").hidden = every || past.length <= PAST_SHOWN;
  by("none").hidden = data.length > 0;
  by("what-next").textContent = cars.length
    ? t("Give a shop one of your car's addresses: then it can ask you, and nobody comes before you said yes.")
    : t("Add your car below, make an address for it, and give that to a shop.");
  document.title = waiting.length ? `(${waiting.length}) ${by("yours").dataset.title}` : by("yours").dataset.title;
}

async function look() {
  try {
    const { data } = await ask("GET", "/v1/owner/deliveries?limit=50");
    const text = JSON.stringify(data);
    if (text === listed) return;
    listed = text;
    show(data);
  } catch (problem) {
    if (problem.status === 401) over(problem);
    throw problem;
  }
}

function over(problem) {
  say(said, problem.message, "bad");
  by("yours").hidden = true;
  by("sign-in").hidden = problem.status !== 401;
}

async function lookAtCars() {
  cars = await showCars(by("cars"), (await ask("GET", "/v1/owner/cars")).data);
  by("adding").open = cars.length === 0;
}

async function begin() {
  by("yours").dataset.title = document.title;
  const me = await ask("GET", "/v1/me");
  by("me").textContent = me.name ? t("Signed in as {email} ({name}).", me) : t("Signed in as {email}.", me);
  by("recovery").hidden = !me.recovery_from;
  by("no-yes").hidden = me.approves_by !== "nothing";
  await lookAtCars();
  await look();
  say(said, "");
  by("yours").hidden = false;
  follow("/v1/events/stream", look, by("live"));
}

let wish = once();
by("claim").addEventListener("input", () => (wish = once()));
by("claim").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.currentTarget;
  during(form, by("claimed"), async () => {
    await ask("POST", "/v1/owner/cars/claim", { body: { code: form.elements.code.value.trim(), zone: here() }, wish });
    form.reset();
    wish = once();
    await lookAtCars();
    listed = "";
    await look();
    return t("The car is among yours now. Open its page, make an address for it, and give it to a shop.");
  });
});
by("all").addEventListener("click", () => {
  every = true;
  show(JSON.parse(listed));
  by("before").querySelector(`li:nth-child(${PAST_SHOWN + 1}) a`)?.focus();
});
by("sign-out").addEventListener("click", () =>
  during(by("sign-out").parentElement, by("left"), async () => {
    await ask("DELETE", "/v1/session");
    forgetHere();
    location.replace("/");
  }),
);
begin().catch(over);
