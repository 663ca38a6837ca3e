// What an owner decides beforehand for a car: who may come without asking, who may not ask, when nobody is woken.
import { during, element, say, twice } from "/static/controls.js";
import { ask } from "/static/requests.js";
import { moment } from "/static/times.js";
import { assertion } from "/delivery/answering.js";
import { placeWords } from "/delivery/words.js";

const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAY_NAMES = { mon: "Monday", tue: "Tuesday", wed: "Wednesday", thu: "Thursday", fri: "Friday", sat: "Saturday", sun: "Sunday" };
const RESTS = {
  not_me: " It rests: you said “that was not me”.",
  doubted: " It rests: it came more than once and opened nothing.",
  frozen: " It rests: this carrier was stopped for a while since you allowed it.",
};
const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** The parts of one car's card. `name`: begins the ids of its elements. */
export async function beforehand(vehicle, name) {
  const path = `/v1/owner/cars/${vehicle}`;
  const said = element("p", { className: "said", role: "status" });
  const area = element("div");
  const show = async () => {
    const [rules, { data: deliveries }, standing, barred] = await Promise.all([
      read(`${path}/rules`),
      ask("GET", `/v1/owner/deliveries?limit=100&vehicle=${vehicle}`),
      ask("GET", `${path}/standing`),
      ask("GET", `${path}/barred`),
    ]);
    area.replaceChildren(...allowed(path, standing, area, said, again), ...heard(path, barred, area, said, again));
    more.replaceChildren(
      element("summary", {}, "Decide beforehand"),
      allowForm(path, name, rules.body, deliveries, said, again),
      quietForm(path, name, rules, said, again),
    );
  };
  const more = element("details");
  // What was pressed is drawn anew: whoever came by keyboard goes on from here.
  const again = async () => {
    await show();
    more.querySelector("summary").focus();
  };
  await show();
  return [area, said, more];
}

async function read(path) {
  const answer = await fetch(path, { headers: { Accept: "application/json" } });
  return { body: await answer.json(), etag: answer.headers.get("ETag") };
}

function allowed(path, rules, area, said, show) {
  if (!rules.length) return [];
  const rows = rules.map((rule) => {
    const name = rule.carrier_name || rule.wish.carrier;
    const button = element("button", { type: "button", className: "bad small", "aria-label": `Take back: ${name}` }, "Take back");
    twice(button, `${name} has to ask again. What it was let in for before goes on until you block it.`, "Yes, take it back", () =>
      during(area, said, async () => {
        await ask("DELETE", `${path}/standing/${rule.id}`);
        await show();
        return `${name} has to ask again.`;
      }),
    );
    const hours = rule.wish.hours;
    const when = `${hours.days.map((day) => DAY_NAMES[day]).join(", ")}, ${hours.start} to ${hours.end} (${hours.zone})`;
    const line = row(name, `${when}; ${placeWords(rule.wish.place)}.${RESTS[rule.rests] || ""}`, button);
    if (rule.rests) {
      const wake = element("button", { type: "button", className: "quiet small", "aria-label": `Let ${name} come again` }, "Let come again");
      wake.addEventListener("click", () =>
        during(area, said, async () => {
          await ask("DELETE", `${path}/barred/${rule.wish.carrier}`);
          await show();
          return `${name} may come again.`;
        }),
      );
      button.before(wake);
    }
    return line;
  });
  return [element("h4", {}, "May come without asking"), element("ul", { className: "list" }, ...rows)];
}

function heard(path, barred, area, said, show) {
  if (!barred.length) return [];
  const rows = barred.map((one) => {
    const name = one.carrier_name || one.carrier;
    const button = element("button", { type: "button", className: "quiet small", "aria-label": `Let ${name} ask again` }, "Let ask again");
    button.addEventListener("click", () =>
      during(area, said, async () => {
        await ask("DELETE", `${path}/barred/${one.carrier}`);
        await show();
        return `${name} may ask again.`;
      }),
    );
    const why = one.why === "not_me" ? "You said: that was not me. Until you let it ask again." : `You declined. Until ${moment(one.until)}.`;
    return row(name, why, button);
  });
  return [element("h4", {}, "May not ask"), element("ul", { className: "list" }, ...rows)];
}

function row(title, about, button) {
  const words = element("div", {}, element("strong", {}, title), element("div", { className: "muted small" }, about));
  return element("li", {}, element("div", { className: "line" }, words, button));
}

function field(id, words, properties) {
  return [element("label", { htmlFor: id }, words), element("input", { id, required: true, ...properties })];
}

function allowForm(path, name, rules, deliveries, said, show) {
  const title = element("h4", {}, "Let a carrier come without asking");
  const known = new Map(deliveries.map((one) => [one.carrier, one.carrier_name || one.carrier]));
  if (!known.size) return element("div", {}, title, element("p", { className: "muted small" }, "No carrier has asked for this car yet."));
  const carriers = [...known].map(([value, words]) => element("option", { value }, words));
  const days = DAYS.map((day, index) =>
    element(
      "label",
      { className: "choice" },
      element("input", { type: "checkbox", name: "days", value: day, checked: index < 5 }),
      DAY_NAMES[day],
    ),
  );
  const made = element(
    "form",
    {},
    title,
    element("p", { className: "muted small" }, `For couriers known for a day, twice a day, two hours at most, the boot only, and while your car may stand as now: ${placeWords(words(rules.place))}. You are told at once and can block each. It needs your passkey.`),
    element("label", { htmlFor: `${name}-carrier` }, "Carrier"),
    element("select", { id: `${name}-carrier`, name: "carrier" }, ...carriers),
    element("fieldset", {}, element("legend", {}, "On"), ...days),
    ...field(`${name}-from`, "From", { name: "start", type: "time", value: "08:00" }),
    ...field(`${name}-to`, "To", { name: "end", type: "time", value: "18:00" }),
    element("button", { type: "submit" }, "Allow with your passkey"),
  );
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    during(made, said, async () => {
      const chosen = [...made.querySelectorAll("[name=days]:checked")].map((one) => one.value);
      const hours = { days: chosen, start: made.elements.start.value, end: made.elements.end.value, zone: zone() };
      const wish = { carrier: made.elements.carrier.value, place: rules.place, hours };
      const signed = await assertion(`${path}/standing/challenge`, wish);
      const rule = await ask("POST", `${path}/standing`, { body: { wish, assertion: signed } });
      await show();
      return `${rule.carrier_name || rule.wish.carrier} may come in these hours without asking.`;
    });
  });
  return made;
}

/** A place as the rules have it, in the words of a question. */
function words(place) {
  if (place.kind === "circle") return { kind: "circle", centre: [place.centre.lat, place.centre.lon], radius_m: place.radius };
  return place;
}

function quietForm(path, name, rules, said, show) {
  const quiet = rules.body.quiet;
  const made = element(
    "form",
    {},
    element("h4", {}, "Quiet hours"),
    element("p", { className: "muted small" }, "Questions that can wait until morning are mailed then. On their page you can answer them all the while."),
    ...field(`${name}-quiet`, "From", { name: "start", type: "time", value: quiet ? quiet.start : "22:00" }),
    ...field(`${name}-awake`, "To", { name: "end", type: "time", value: quiet ? quiet.end : "07:00" }),
    element("button", { type: "submit", className: "quiet" }, quiet ? "Change quiet hours" : "Set quiet hours"),
  );
  const put = (value) =>
    during(made, said, async () => {
      const headers = { "If-Match": rules.etag };
      await ask("PUT", `${path}/rules`, { body: { ...rules.body, quiet: value }, headers });
      await show();
      return value ? "Quiet hours are set." : "There are no quiet hours now.";
    });
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    put({ start: made.elements.start.value, end: made.elements.end.value, zone: zone() });
  });
  if (quiet) {
    const off = element("button", { type: "button", className: "plain" }, "No quiet hours");
    off.addEventListener("click", () => put(null));
    made.append(off);
  }
  return made;
}
