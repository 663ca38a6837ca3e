// The addresses of a car that shops get: make one, copy it, end it for good.
import { during, element, say, twice } from "/static/controls.js";
import { ask, once } from "/static/requests.js";
import { moment } from "/static/times.js";
import { t } from "/static/words.js";

const CHOICES = [
  ["one_order", t("for one order")],
  ["one_carrier", t("for one carrier: whoever uses it first")],
  ["any", t("for any shop")],
];
const KINDS = { one_order: t("For one order"), one_carrier: t("For one carrier"), any: t("For any shop") };

/** Fill `area`. `path`: of the car in the API. */
export async function addresses(area, path) {
  const list = element("div");
  const said = element("p", { className: "said", role: "status" });
  const show = async () => {
    const { data } = await ask("GET", `${path}/addresses`);
    const block = (one) =>
      during(list, said, async () => {
        await ask("DELETE", `${path}/addresses/${one.id}`);
        await show();
        return t("{address} is blocked for good. A delivery that goes on with it is blocked on its own page.", { address: one.text });
      });
    list.replaceChildren(listed(data, block, said));
  };
  await show();
  area.replaceChildren(list, said, form(path, said, show));
}

function listed(usable, block, said) {
  if (usable.length) return element("ul", { className: "list" }, ...usable.map((one) => row(one, block, said)));
  return element("p", { className: "muted" }, t("None that can be used. Make one and write it in the address line of a shop."));
}

function row(one, block, said) {
  const end = element("button", { type: "button", className: "bad small", "aria-label": t("Block {name}", { name: one.text }) }, t("Block"));
  twice(end, t("Block {address}? It can never be used again.", { address: one.text }), t("Yes, block it"), () => block(one));
  const copy = element("button", { type: "button", className: "quiet small", "aria-label": t("Copy {address}", { address: one.text }) }, t("Copy"));
  copy.addEventListener("click", () =>
    navigator.clipboard.writeText(one.text).then(
      () => say(said, t("{address} is copied.", { address: one.text }), "good"),
      () => say(said, t("This browser copies nothing. Select the address and copy it yourself."), "bad"),
    ),
  );
  const words = element("div", {}, element("div", { className: "address" }, one.text), element("div", { className: "muted small" }, about(one)));
  return element("li", {}, element("div", { className: "line" }, words, element("div", { className: "buttons" }, copy, end)));
}

function about(one) {
  const parts = [KINDS[one.kind]];
  if (one.label) parts.push(one.label);
  if (one.state === "taken") parts.push(t("an order has it now"));
  else if (one.used_at) parts.push(t("last used {time}", { time: moment(one.used_at) }));
  else parts.push(t("not used yet"));
  if (one.carrier) parts.push(t("bound to one carrier"));
  return parts.join(" · ");
}

function form(path, said, show) {
  const label = element("input", { id: "address-label", name: "label", maxLength: 80, autocomplete: "off" });
  const choices = CHOICES.map(([value, words], index) =>
    element("label", { className: "choice" }, element("input", { type: "radio", name: "kind", value, checked: index === 0 }), words),
  );
  const made = element(
    "form",
    {},
    element("fieldset", {}, element("legend", {}, t("It can be used")), ...choices),
    element("label", { htmlFor: label.id }, t("A note for yourself, such as the shop's name")),
    label,
    element("button", { type: "submit" }, t("Make this address")),
  );
  let wish = once();
  made.addEventListener("input", () => (wish = once()));
  const more = element("details", {}, element("summary", {}, t("Make an address")), made);
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    say(said, "");
    during(made, said, async () => {
      const body = { kind: made.elements.kind.value, label: label.value.trim() };
      const address = await ask("POST", `${path}/addresses`, { body, wish });
      wish = once();
      made.reset();
      more.open = false;
      await show();
      more.querySelector("summary").focus();
      return t("{address} can be used now. Give it to the shop as your car's address.", { address: address.text });
    });
  });
  return more;
}
