// Quiet hours of each car, as its owner sets them: when neither a mail nor a notification wakes anybody.
import { during, element } from "/static/controls.js";
import { ask } from "/static/requests.js";
import { t } from "/static/words.js";

/** Fill `area` with a form for each car of an owner; gives how many there are. */
export async function showQuiet(area, cars, said) {
  const mine = cars.filter((car) => car.role === "owner");
  const forms = await Promise.all(mine.map((car, index) => quiet(car.vehicle, mine.length > 1 ? index + 1 : 0, said)));
  area.replaceChildren(...forms);
  return mine.length;
}

async function quiet(vehicle, number, said) {
  const path = `/v1/owner/cars/${vehicle}/rules`;
  const answer = await fetch(path, { headers: { Accept: "application/json" } });
  const rules = await answer.json();
  const name = rules.name || rules.plate || (number ? t("Car {number}", { number }) : t("Your car"));
  const on = element("input", { type: "checkbox", id: `on-${vehicle}`, checked: Boolean(rules.quiet) });
  const start = time(`from-${vehicle}`, rules.quiet?.start ?? "22:00");
  const end = time(`to-${vehicle}`, rules.quiet?.end ?? "07:00");
  const hours = element(
    "div",
    { className: "hours", hidden: !rules.quiet },
    element("div", {}, element("label", { htmlFor: start.id }, t("From")), start),
    element("div", {}, element("label", { htmlFor: end.id }, t("To")), end),
    element("button", { type: "submit", className: "quiet" }, t("Keep these hours")),
  );
  const made = element(
    "form",
    { className: "quiet-hours" },
    element("h3", {}, name),
    element("label", { className: "choice", htmlFor: on.id }, on, t("Quiet hours at night")),
    hours,
    rules.quiet ? element("p", { className: "muted small" }, t("In the time of {zone}.", { zone: rules.quiet.zone.replaceAll("_", " ") })) : "",
  );
  const put = (value, words) =>
    during(made, said, async () => {
      await ask("PUT", path, { body: { ...rules, quiet: value }, headers: { "If-Match": answer.headers.get("ETag") } });
      const again = await quiet(vehicle, number, said);
      made.replaceWith(again);
      again.querySelector("input").focus();
      return words;
    });
  on.addEventListener("change", () => {
    hours.hidden = !on.checked;
    if (!on.checked && rules.quiet) put(null, t("There are no quiet hours now."));
    else if (on.checked) put(chosen(), t("Quiet hours are set."));
  });
  const chosen = () => ({ start: start.value, end: end.value, zone: Intl.DateTimeFormat().resolvedOptions().timeZone });
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    put(chosen(), t("Quiet hours are set."));
  });
  return made;
}

function time(id, value) {
  return element("input", { type: "time", id, value, required: true });
}
