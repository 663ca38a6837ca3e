// The cars of a person on the start page: each with its name and role, leading to its own page.
import { element } from "/static/controls.js";
import { ask } from "/static/requests.js";
import { t } from "/static/words.js";

const ROLES = {
  owner: t("You are an owner."),
  driver: t("You drive it."),
  approver: t("You drive it. You may approve deliveries."),
  told: t("You are told what happens to it."),
};

/** How a car is called here: as its owner named it, else by its number in the list. */
export function carName(car) {
  return car.name || car.plate || t("Car {number}", { number: car.number });
}

/** Fill `area` with a card for each car; gives the cars, each with its number, name and plate. */
export async function showCars(area, listed) {
  // Oldest first, so that a number stays with its car.
  const sorted = listed.toSorted((one, other) => one.visible_from.localeCompare(other.visible_from));
  const cars = await Promise.all(
    sorted.map(async (car, index) => {
      // Only owners read the rules, where the name is; for the others a number does.
      const rules = car.role === "owner" ? await ask("GET", `/v1/owner/cars/${car.vehicle}/rules`) : {};
      return { ...car, number: index + 1, name: rules.name || "", plate: rules.plate || "", blocked: Boolean(rules.block_all) };
    }),
  );
  if (cars.length) area.replaceChildren(...cars.map(card));
  else area.replaceChildren(element("p", { className: "card" }, t("No car yet. Add the one you sit in, below.")));
  return cars;
}

function card(car) {
  const id = `car-${car.number}`;
  const role = ROLES[car.role === "driver" && car.may_approve ? "approver" : car.role];
  const about = [role];
  if (car.blocked) about.push(t("No delivery is let in now."));
  const words = car.role === "owner" ? t("Addresses, household, rules, who can get in") : t("Who uses it, who was at its boot");
  return element(
    "section",
    { className: "card", "aria-labelledby": id },
    element("h3", { id }, element("a", { href: `/cars/${car.vehicle}` }, carName(car))),
    element("p", { className: "muted small" }, about.join(" ")),
    element("p", { className: "small" }, words),
  );
}
