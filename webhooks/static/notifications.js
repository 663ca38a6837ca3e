// The page of notifications: on or off in this browser, every device that is notified, what is shown, quiet hours.
import { during, element, say } from "/static/controls.js";
import { ask } from "/static/requests.js";
import { moment } from "/static/times.js";
import { t } from "/static/words.js";
import { able, fingerprint, permission, subscribed, turnOff, turnOn } from "/notifications-device.js";
import { showChoice } from "/notifications-choice.js";
import { showQuiet } from "/notifications-quiet.js";

const by = (id) => document.getElementById(id);
const said = by("said");
const toggle = by("toggle");
let here = null;
let known = new Set();

const CANNOT = {
  install: () => t("On an iPhone or iPad, add this page to your home screen first (Share, then “Add to Home Screen”), open it from there, and turn them on."),
  no: () => t("This browser cannot show notifications. Mail reaches you all the same."),
  denied: () => t("This browser was told not to show notifications of this site. Allow them in its settings for this site, then reload this page."),
};

async function look() {
  const { data } = await ask("GET", "/v1/owner/push-subscriptions");
  known = new Set(data.map((one) => one.fingerprint));
  const subscription = able() === "yes" && permission() === "granted" ? await subscribed() : null;
  const mark = subscription ? await fingerprint(subscription) : "";
  here = data.find((one) => one.fingerprint === mark) ?? null;
  const cannot = able() !== "yes" ? able() : permission() === "denied" ? "denied" : "";
  by("state").className = `stands ${here ? "good" : cannot ? "wait" : "calm"}`;
  by("how").textContent = here ? t("Notifications are on in this browser.") : t("Notifications are off in this browser.");
  by("why").textContent = cannot ? CANNOT[cannot]() : "";
  by("why").hidden = !cannot;
  toggle.hidden = Boolean(cannot) && !here;
  toggle.textContent = here ? t("Turn off in this browser") : t("Turn on in this browser");
  toggle.className = here ? "quiet full" : "full";
  by("devices").replaceChildren(...data.map(row));
  by("none").hidden = data.length > 0;
  by("page").hidden = false;
}

function row(one) {
  const name = one.name || t("A browser");
  const since = one === here ? t("This browser, since {time}.", { time: moment(one.made_at) }) : t("Since {time}.", { time: moment(one.made_at) });
  const end = element("button", { type: "button", className: "bad small", "aria-label": t("End: {name}", { name }) }, t("End"));
  end.addEventListener("click", () =>
    during(by("devices"), by("ended"), async () => {
      await (one === here ? turnOff(one.id) : ask("DELETE", `/v1/owner/push-subscriptions/${one.id}`));
      await look();
      by("list").focus();
      return t("{name} hears nothing any more.", { name });
    }),
  );
  return element(
    "li",
    {},
    element("div", { className: "line" }, element("div", {}, element("strong", {}, name), element("div", { className: "muted small" }, since)), end),
  );
}

toggle.addEventListener("click", () =>
  during(by("state"), by("turned"), async () => {
    const off = here;
    await (off ? turnOff(off.id) : turnOn(known));
    await look();
    return off ? t("Notifications are off in this browser.") : t("They are on. One that says so is on its way.");
  }),
);

async function begin() {
  await Promise.all([look(), showChoice(by("choice"), by("chosen"))]);
  const { data: cars } = await ask("GET", "/v1/owner/cars");
  by("quiet").hidden = !(await showQuiet(by("cars"), cars, by("kept")));
}

begin().then(
  () => say(said, ""),
  (problem) => {
    say(said, problem.message, "bad");
    by("sign-in").hidden = problem.status !== 401;
  },
);
