// What an owner decides beforehand for a car: who may come without asking, and who may not ask.
import { during, element, twice } from "/static/controls.js";
import { ask } from "/static/requests.js";
import { here, moment, weekdays } from "/static/times.js";
import { t } from "/static/words.js";
import { assertion } from "/delivery/answering.js";
import { asShown } from "/delivery/place.js";
import { placeWords } from "/delivery/words.js";

const RESTS = {
  not_me: t("It rests: you said “that was not me”."),
  doubted: t("It rests: it came more than once and opened nothing."),
  frozen: t("It rests: this carrier was stopped for a while since you allowed it."),
};

/** Fill `area` for one car. `mine`: the reader's role on it. */
export async function beforehand(area, vehicle, mine) {
  const path = `/v1/owner/cars/${vehicle}`;
  const said = element("p", { className: "said", role: "status" });
  const lists = element("div");
  const more = element("details");
  const show = async () => {
    const [rules, { data: deliveries }, standing, barred] = await Promise.all([
      ask("GET", `${path}/rules`),
      ask("GET", `/v1/owner/deliveries?limit=50&vehicle=${vehicle}`),
      ask("GET", `${path}/standing`),
      ask("GET", `${path}/barred`),
    ]);
    const nothing = element("p", { className: "muted" }, t("Every delivery is asked for, each time."));
    lists.replaceChildren(
      ...(standing.length ? allowed(path, standing, lists, said, again) : [nothing]),
      ...heard(path, barred, mine.zone, lists, said, again),
    );
    more.replaceChildren(element("summary", {}, t("Let a carrier come without asking")), allowForm(path, rules, deliveries, mine, said, again));
  };
  // What was pressed is drawn anew: whoever came by keyboard goes on from here.
  const again = async () => {
    await show();
    more.querySelector("summary").focus();
  };
  await show();
  area.replaceChildren(lists, said, more);
}

function allowed(path, rules, area, said, show) {
  const names = Object.fromEntries(weekdays());
  const rows = rules.map((rule) => {
    const name = rule.carrier_name || rule.wish.carrier;
    const button = element("button", { type: "button", className: "bad small", "aria-label": t("Take back: {name}", { name }) }, t("Take back"));
    twice(
      button,
      t("{name} has to ask again. What it was let in for before goes on until you block it.", { name }),
      t("Yes, take it back"),
      () =>
        during(area, said, async () => {
          await ask("DELETE", `${path}/standing/${rule.id}`);
          await show();
          return t("{name} has to ask again.", { name });
        }),
    );
    const { days, start, end, zone: where } = rule.wish.hours;
    const values = { days: days.map((day) => names[day]).join(", "), start, end, zone: where, place: placeWords(asShown(rule.wish.place)) };
    const when = t("{days}, {start} to {end} ({zone}); {place}.", values);
    const line = row(name, rule.rests ? `${when} ${RESTS[rule.rests] || ""}` : when, button);
    if (rule.rests) button.before(lift(path, rule.wish.carrier, t("Let {name} come again", { name }), t("Let come again"), t("{name} may come again.", { name }), area, said, show));
    return line;
  });
  return [element("h3", {}, t("May come without asking")), element("ul", { className: "list" }, ...rows)];
}

function heard(path, barred, zone, area, said, show) {
  if (!barred.length) return [];
  const rows = barred.map((one) => {
    const name = one.carrier_name || one.carrier;
    const button = lift(path, one.carrier, t("Let {name} ask again", { name }), t("Let ask again"), t("{name} may ask again.", { name }), area, said, show);
    const declined = () => t("You declined. Until {time}.", { time: moment(one.until, zone) });
    const why = one.why === "not_me" ? t("You said: that was not me. Until you let it ask again.") : declined();
    return row(name, why, button);
  });
  return [element("h3", {}, t("May not ask")), element("ul", { className: "list" }, ...rows)];
}

function lift(path, carrier, label, words, done, area, said, show) {
  const button = element("button", { type: "button", className: "quiet small", "aria-label": label }, words);
  button.addEventListener("click", () =>
    during(area, said, async () => {
      await ask("DELETE", `${path}/barred/${carrier}`);
      await show();
      return done;
    }),
  );
  return button;
}

function row(title, about, button) {
  const words = element("div", {}, element("strong", {}, title), element("div", { className: "muted small" }, about));
  return element("li", {}, element("div", { className: "line" }, words, button));
}

function allowForm(path, rules, deliveries, mine, said, show) {
  const known = new Map(deliveries.map((one) => [one.carrier, one.carrier_name || one.carrier]));
  if (!known.size) return element("p", { className: "muted small" }, t("No carrier has asked for this car yet. Once one has, you can let it come without asking."));
  const carriers = [...known].map(([value, words]) => element("option", { value }, words));
  const days = weekdays().map(([day, name], index) =>
    element("label", { className: "choice" }, element("input", { type: "checkbox", name: "days", value: day, checked: index < 5 }), name),
  );
  const time = (name, words, value) => [
    element("label", { htmlFor: `allow-${name}` }, words),
    element("input", { id: `allow-${name}`, name, type: "time", required: true, value }),
  ];
  const explained = t(
    "For couriers known for a day, twice a day, two hours at most, the boot only, and while your car may stand as now: {place}. You are told at once and can block each. It needs your passkey.",
    { place: placeWords(asShown(rules.place)) },
  );
  const made = element(
    "form",
    {},
    element("p", { className: "muted small" }, explained),
    element("label", { htmlFor: "allow-carrier" }, t("Carrier")),
    element("select", { id: "allow-carrier", name: "carrier" }, ...carriers),
    element("fieldset", {}, element("legend", {}, t("On")), ...days),
    ...time("start", t("From"), "08:00"),
    ...time("end", t("To"), "18:00"),
    element("button", { type: "submit" }, t("Allow with your passkey")),
  );
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    during(made, said, async () => {
      const chosen = [...made.querySelectorAll("[name=days]:checked")].map((one) => one.value);
      const hours = { days: chosen, start: made.elements.start.value, end: made.elements.end.value, zone: mine.zone || here() };
      const wish = { carrier: made.elements.carrier.value, place: rules.place, hours };
      const signed = await assertion(`${path}/standing/challenge`, wish);
      const rule = await ask("POST", `${path}/standing`, { body: { wish, assertion: signed } });
      await show();
      return t("{name} may come in these hours without asking.", { name: rule.carrier_name || rule.wish.carrier });
    });
  });
  return made;
}
