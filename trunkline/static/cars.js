// The cars of a person, each with the addresses that shops get: make one, block one.
import { during, element, say, twice } from "/static/controls.js";
import { ask, once } from "/static/requests.js";
import { moment } from "/static/times.js";
import { beforehand } from "/delivery/beforehand.js";

const ROLES = {
  owner: "You are an owner.",
  driver: "You drive it.",
  told: "You are told what happens to it.",
};
const KINDS = { one_order: "one order", one_carrier: "one carrier", any: "any shop" };
const CHOICES = [
  ["one_order", "for one order"],
  ["one_carrier", "for one carrier: whoever uses it first"],
  ["any", "for any shop"],
];

/** Fill `area` with a card for each car. */
export async function showCars(area, cars) {
  const cards = await Promise.all(cars.map((car, index) => card(car, index)));
  if (cards.length) area.replaceChildren(...cards);
  else area.replaceChildren(element("p", { className: "card" }, "No car yet. Add the one you sit in, below."));
}

async function card(car, index) {
  const name = `car-${index + 1}`;
  const approves = car.role === "driver" && car.may_approve ? " You may approve deliveries." : "";
  const made = element(
    "section",
    { className: "card", "aria-labelledby": name },
    element("h3", { id: name }, `Car ${index + 1}`),
    element("p", { className: "muted small" }, `${ROLES[car.role]}${approves} It is ${car.vehicle}.`),
  );
  if (car.role === "owner") made.append(...(await addresses(car.vehicle, name)), ...(await beforehand(car.vehicle, name)));
  return made;
}

async function addresses(vehicle, name) {
  const path = `/v1/owner/cars/${vehicle}/addresses`;
  const list = element("div");
  const said = element("p", { className: "said", role: "status" });
  const show = async () => {
    const { data } = await ask("GET", path);
    const block = (one) =>
      during(list, said, async () => {
        await ask("DELETE", `${path}/${one.id}`);
        await show();
        return `${one.text} is blocked for good. A delivery that goes on with it is blocked on its own page.`;
      });
    list.replaceChildren(listed(data, block));
  };
  await show();
  return [element("h4", {}, "Addresses for shops"), list, said, form(path, name, said, show)];
}

function listed(usable, block) {
  if (usable.length) return element("ul", { className: "list" }, ...usable.map((one) => row(one, block)));
  return element("p", { className: "muted" }, "None that can be used. Make one and write it in the address line of a shop.");
}

function row(one, block) {
  const button = element("button", { type: "button", className: "bad small", "aria-label": `Block ${one.text}` }, "Block");
  twice(button, `Block ${one.text}? It can never be used again.`, "Yes, block it", () => block(one));
  return element(
    "li",
    {},
    element(
      "div",
      { className: "line" },
      element(
        "div",
        {},
        element("div", { className: "address" }, one.text),
        element("div", { className: "muted small" }, about(one)),
      ),
      button,
    ),
  );
}

function about(one) {
  const parts = [`For ${KINDS[one.kind]}`];
  if (one.label) parts.push(one.label);
  if (one.state === "taken") parts.push("an order has it now");
  else if (one.used_at) parts.push(`last used ${moment(one.used_at)}`);
  else parts.push("not used yet");
  if (one.carrier) parts.push(`bound to the carrier ${one.carrier}`);
  return `${parts.join(" · ")}.`;
}

function form(path, name, said, show) {
  const label = element("input", { id: `${name}-label`, name: "label", maxLength: 80, autocomplete: "off" });
  const choices = CHOICES.map(([value, words], index) =>
    element(
      "label",
      { className: "choice" },
      element("input", { type: "radio", name: "kind", value, checked: index === 0 }),
      words,
    ),
  );
  const made = element(
    "form",
    {},
    element("fieldset", {}, element("legend", {}, "It can be used"), ...choices),
    element("label", { htmlFor: label.id }, "A note for yourself, such as the shop's name"),
    label,
    element("button", { type: "submit" }, "Make this address"),
  );
  let wish = once();
  made.addEventListener("input", () => (wish = once()));
  const more = element("details", {}, element("summary", {}, "Make an address"), made);
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    say(said, "");
    during(made, said, async () => {
      const body = { kind: made.elements.kind.value, label: label.value.trim() };
      const address = await ask("POST", path, { body, wish });
      wish = once();
      made.reset();
      more.open = false;
      await show();
      more.querySelector("summary").focus();
      return `${address.text} can be used now. Give it to the shop as your car's address.`;
    });
  });
  return more;
}
