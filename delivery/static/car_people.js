// Who uses a car: household and guests with what they may do, who is invited, and inviting somebody.
import { during, element, twice } from "/static/controls.js";
import { ask, once } from "/static/requests.js";
import { moment } from "/static/times.js";
import { t } from "/static/words.js";

const ROLES = {
  owner: t("Owner: decides about the car"),
  approver: t("Drives it, and may approve deliveries"),
  driver: t("Drives it, and is told what happens"),
  told: t("Is told what happens"),
};
const INVITED = {
  owner: t("Invited as an owner"),
  driver: t("Invited as a driver"),
  told: t("Invited to be told what happens"),
};
const CHOICES = [
  ["approver", t("drives it, and may approve deliveries")],
  ["driver", t("drives it, and is told what happens")],
  ["told", t("is told what happens, as a guest")],
  ["owner", t("is an owner like you: counts after three days, or at once with the code on the car's display")],
];

/** Fill `area`. `path`: of the car in the API; `me`: the reader's id; `owns`: whether the reader is an owner. */
export async function people(area, path, me, owns) {
  const list = element("ul", { className: "list" });
  const said = element("p", { className: "said", role: "status" });
  const show = async () => {
    const { data, invitations } = await ask("GET", `${path}/people`);
    const open = invitations.filter((one) => ["offered", "accepted"].includes(one.state));
    list.replaceChildren(
      ...data.map((one) => person(one, path, me, owns, { list, said, show })),
      ...open.map((one) => invitation(one, { list, said, show })),
    );
  };
  await show();
  area.replaceChildren(list, said, ...(owns ? [form(path, said, show)] : []));
}

function row(title, about, ...buttons) {
  const words = element("div", {}, element("strong", {}, title), element("div", { className: "muted small" }, about));
  return element("li", {}, element("div", { className: "line" }, words, ...buttons));
}

function person(one, path, me, owns, { list, said, show }) {
  const role = ROLES[one.role === "driver" && one.may_approve ? "approver" : one.role];
  const name = one.name || t("Somebody without a name here");
  if (one.person === me) return row(one.name ? t("{name} (you)", { name: one.name }) : t("You"), role);
  if (!owns) return row(name, role);
  const button = element("button", { type: "button", className: "bad small", "aria-label": t("Take back: {name}", { name }) }, t("Take back"));
  twice(button, t("{name} sees nothing of this car any more, and can approve nothing.", { name }), t("Yes, take it back"), () =>
    during(list, said, async () => {
      await ask("DELETE", `${path}/people/${one.person}`);
      await show();
      return t("Taken back.");
    }),
  );
  return row(name, role, button);
}

function invitation(one, { list, said, show }) {
  const open = t("Open until {time}.", { time: moment(one.expires_at) });
  const about = one.state === "accepted" ? t("Accepted; counts from {time}.", { time: moment(one.ripe_at) }) : open;
  const button = element("button", { type: "button", className: "quiet small", "aria-label": t("Take the invitation back") }, t("Take back"));
  button.addEventListener("click", () =>
    during(list, said, async () => {
      await ask("DELETE", `/v1/invitations/${one.id}`);
      await show();
      return t("The invitation is taken back.");
    }),
  );
  return row(INVITED[one.role], about, button);
}

function form(path, said, show) {
  const email = element("input", { id: "invite-email", name: "email", type: "email", required: true, maxLength: 254, autocomplete: "off" });
  const choices = CHOICES.map(([value, words], index) =>
    element("label", { className: "choice" }, element("input", { type: "radio", name: "role", value, checked: index === 0 }), words),
  );
  const made = element(
    "form",
    {},
    element("label", { htmlFor: email.id }, t("Their e-mail")),
    email,
    element("fieldset", {}, element("legend", {}, t("What they are to the car")), ...choices),
    element("p", { className: "muted small" }, t("All owners are told. Whoever has a passkey shows it first.")),
    element("button", { type: "submit" }, t("Invite")),
  );
  let wish = once();
  made.addEventListener("input", () => (wish = once()));
  const more = element("details", {}, element("summary", {}, t("Invite somebody")), made);
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    during(made, said, async () => {
      const chosen = made.elements.role.value;
      const body = { email: email.value.trim(), role: chosen === "approver" ? "driver" : chosen, may_approve: chosen === "approver" };
      await ask("POST", `${path}/people`, { body, wish });
      wish = once();
      made.reset();
      more.open = false;
      await show();
      more.querySelector("summary").focus();
      return t("Invited: a mail is on its way to {email}.", { email: body.email });
    });
  });
  return more;
}
