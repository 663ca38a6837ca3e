// A person's passkeys: the choice at the first sign-in, the list, and recovery where all are lost.
import { during, element, lead, say, twice } from "/static/controls.js";
import { make, possible } from "/passkey-ask.js";
import { ask } from "/static/requests.js";
import { moment } from "/static/times.js";
import { t } from "/static/words.js";

const by = (id) => document.getElementById(id);
const said = by("said");
const onward = sessionStorage.getItem("then");

const BY = {
  passkey: t("You say yes with a passkey. No mail link says yes for you."),
  link: t("You say yes by the link of a mail. Whoever reads your mail can say yes for you; a passkey ends that."),
  nothing: t("Nothing says yes for you yet, so no parcel can come."),
};

function row(title, about, ...buttons) {
  return element(
    "li",
    {},
    element(
      "div",
      { className: "line" },
      element("div", {}, element("strong", {}, title), element("div", { className: "muted small" }, about)),
      ...buttons,
    ),
  );
}

function passkey(one, alone) {
  const parts = [t("Made {time}.", { time: moment(one.made_at) })];
  parts.push(one.last_used_at ? t("Last used {time}.", { time: moment(one.last_used_at) }) : t("Not used yet."));
  if (one.backed_up) parts.push(t("Your devices share it."));
  const about = parts.join(" ");
  const rename = element("button", { type: "button", className: "quiet small", "aria-label": t("Rename {name}", { name: one.name }) }, t("Rename"));
  rename.addEventListener("click", () => rename.closest("li").replaceWith(naming(one)));
  if (alone) return row(one.name, about, rename);
  const remove = element("button", { type: "button", className: "bad small", "aria-label": t("Remove {name}", { name: one.name }) }, t("Remove"));
  twice(remove, t("Remove {name}? It can never be used here again.", { name: one.name }), t("Yes, remove it"), () =>
    during(by("list"), by("listed"), async () => {
      await ask("DELETE", `/v1/me/passkeys/${one.id}`);
      await look();
      return t("{name} is removed.", { name: one.name });
    }),
  );
  return row(one.name, about, rename, remove);
}

function naming(one) {
  const field = element("input", { id: `name-${one.id}`, maxLength: 80, required: true, value: one.name, autocomplete: "off" });
  const form = element(
    "form",
    {},
    element("label", { htmlFor: field.id }, t("New name for {name}", { name: one.name })),
    field,
    element("button", { type: "submit" }, t("Keep this name")),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    during(form, by("listed"), async () => {
      await ask("PUT", `/v1/me/passkeys/${one.id}/name`, { body: { name: field.value.trim() } });
      await look();
      return t("Renamed.");
    });
  });
  queueMicrotask(() => field.focus());
  return element("li", {}, form);
}

async function look() {
  const [approvals, { data: passkeys }, recovery] = await Promise.all(
    ["approvals", "passkeys", "recovery"].map((what) => ask("GET", `/v1/me/${what}`)),
  );
  by("by").textContent = BY[approvals.by];
  by("by").parentElement.className = `stands ${{ passkey: "good", link: "calm", nothing: "wait" }[approvals.by]}`;
  by("choice").hidden = approvals.by === "passkey";
  by("why").hidden = approvals.passkeys > 0;
  by("links").hidden = !(approvals.by === "nothing" && approvals.link_possible);
  by("yours").hidden = !passkeys.length;
  by("list").replaceChildren(...passkeys.map((one) => passkey(one, passkeys.length === 1)));
  by("waits").hidden = !recovery.ripe_at;
  by("until").textContent = recovery.ripe_at
    ? t("Somebody in a session of yours says that all your passkeys are lost. They end {time}.", { time: moment(recovery.ripe_at) })
    : "";
  by("lost").hidden = Boolean(recovery.ripe_at) || !passkeys.length;
  by("onward").hidden = !onward;
  by("onward").className = approvals.by === "nothing" ? "quiet" : "";
  by("page").hidden = false;
}

async function made(name) {
  await make(name);
  await look();
  return t("Your passkey is kept. Make one more on another device, in case you lose this one.");
}

by("make").addEventListener("click", () => during(by("choice"), by("chosen"), () => made(t("First passkey"))));
by("mail").addEventListener("click", () =>
  during(by("choice"), by("chosen"), async () => {
    await ask("PUT", "/v1/me/approvals", { body: { by: "link" } });
    await look();
    return t("Mail links say yes for you from now on. You can make a passkey here at any time.");
  }),
);
by("another").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.currentTarget;
  during(form, by("listed"), async () => {
    const words = await made(form.elements.name.value.trim() || t("Passkey"));
    form.reset();
    return words;
  });
});
by("keep").addEventListener("click", () =>
  during(by("waits"), said, async () => {
    await ask("DELETE", "/v1/me/recovery");
    await look();
    return t("Taken back: your passkeys stay as they are.");
  }),
);
by("present").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.currentTarget;
  during(form, said, async () => {
    await ask("POST", "/v1/me/recovery/presence", { body: { code: form.elements.code.value.trim() } });
    form.reset();
    await look();
    return t("You are in your car, so the wait is over: your passkeys have ended. Make a new one now.");
  });
});
twice(by("recover"), t("Are all your passkeys lost? After three days they end, with all your sessions."), t("Yes, all are lost"), () =>
  during(by("lost"), by("asked"), async () => {
    await ask("POST", "/v1/me/recovery");
    await look();
    lead(by("waits"));
    return "";
  }),
);
by("onward").addEventListener("click", () => {
  sessionStorage.removeItem("then");
  location.assign(onward);
});
if (!possible) {
  by("make").hidden = true;
  by("another").hidden = true;
  by("cannot").hidden = false;
}
look().then(
  () => say(said, ""),
  (problem) => {
    say(said, problem.message, "bad");
    by("sign-in").hidden = problem.status !== 401;
  },
);
