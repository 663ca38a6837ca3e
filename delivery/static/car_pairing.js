// Pairing a passkey with a car: the passkey proves here that a public key is its own; a person in the car pairs it there.
import { during, element, lead, say } from "/static/controls.js";
import { ask, Refused } from "/static/requests.js";
import { n, t } from "/static/words.js";
import { verified } from "/delivery/gesture.js";

const LOOK_MS = 4_000;
const by = (id) => document.getElementById(id);
const said = by("said");
const vehicle = by("pairing").dataset.id;
const path = `/v1/owner/cars/${vehicle}/pairing`;
const UNFIT = {
  algorithm: t("The car cannot take this one: it signs in a way that cars do not know. Make another passkey, on a phone or a security key."),
  too_long: t("The car cannot take this one: its name is too long for a key. Make another passkey, on a phone or a security key."),
  address: t("The car cannot take a passkey of this address. This installation needs https and a name of its own."),
};
let drawn = "";
let file = "";
let timer = 0;

/** How the car stands: [title, next, tone]. */
function standing({ said: heard, required, others, passkeys }) {
  const mine = passkeys.filter((one) => one.in_car).length;
  const known = mine + others;
  if (required && mine) return [t("The car opens for no key without its owner's passkey"), t("Yours is one of them. Each yes is one gesture, and nobody else can give it."), "good"];
  if (required) return [t("The car asks for a passkey, and none of yours is in it"), t("Another owner's passkey signs. Pair yours to be able to say yes."), "wait"];
  if (known) {
    const words = n("The car knows {count} passkey and does not ask for it", "The car knows {count} passkeys and does not ask for them", known);
    return [words, t("Have the unit require it, with the ignition on; until then a key opens without it."), "wait"];
  }
  if (heard) return [t("No passkey is paired in the car now"), t("A key that you approve opens it, without a passkey's signature."), ""];
  return [t("No passkey was ever paired in this car"), t("A key that you approve opens it, without a passkey's signature."), ""];
}

function show(read) {
  const text = JSON.stringify(read);
  if (text === drawn) return;
  drawn = text;
  const [title, next, tone] = standing(read);
  by("stands").className = `stands ${tone}`;
  by("state").textContent = title;
  by("next").textContent = next;
  by("none").hidden = read.passkeys.length > 0;
  by("mine").hidden = read.passkeys.length === 0;
  by("passkeys").replaceChildren(...read.passkeys.map(row));
  by("pairing").hidden = false;
}

function row(one) {
  const about = one.unfit ? UNFIT[one.unfit] : one.in_car ? t("Paired: the car itself said so.") : t("Not in this car.");
  const words = element("div", {}, element("strong", {}, one.name), element("div", { className: "muted small" }, about));
  const parts = [words];
  if (one.document) {
    const button = element("button", { type: "button", className: "quiet small", "aria-label": t("Show {name}", { name: one.name }) }, t("Show this passkey"));
    button.addEventListener("click", () => during(by("mine"), said, () => take(one)));
    parts.push(button);
  }
  return element("li", {}, element("div", { className: "line" }, ...parts));
}

async function take(one) {
  const fingerprint = await verified(one.document);
  // Reckoned here, over the key that just signed: what the server says of it is only compared.
  if (fingerprint !== one.fingerprint) throw new Refused(t("This is not the key that signed. Nothing was shown. Reload this page, and tell us if it happens again."));
  const text = JSON.stringify(one.document, null, 2);
  URL.revokeObjectURL(file);
  file = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  by("file").href = file;
  by("text").textContent = text;
  by("fingerprint").textContent = fingerprint;
  lead(by("document"));
  return t("The passkey signed: this is its key.");
}

async function look() {
  show(await ask("GET", path));
}

/** The session is over, or the car is the reader's no more: nothing of it stays on the screen. */
function over(problem) {
  if (![401, 403, 404].includes(problem.status)) return;
  clearInterval(timer);
  by("pairing").hidden = true;
  by("document").hidden = true;
  say(said, problem.message, "bad");
  by("sign-in").hidden = problem.status !== 401;
}

by("enter").addEventListener("click", () => {
  localStorage.setItem("back", JSON.stringify({ to: location.pathname, at: Date.now() }));
});
look().then(
  () => {
    say(said, "");
    // The car says it by a signed receipt of its own; no event of a delivery tells of that.
    timer = setInterval(() => document.visibilityState === "visible" && look().catch(over), LOOK_MS);
  },
  (problem) => {
    say(said, problem.message, "bad");
    by("sign-in").hidden = problem.status !== 401;
  },
);
