// A person's passkeys: the choice at the first sign-in, the list, recovery, and the devices that are known.
import { during, element, lead, say, twice } from "/static/controls.js";
import { make, possible } from "/passkey-ask.js";
import { ask } from "/static/requests.js";
import { moment } from "/static/times.js";

const by = (id) => document.getElementById(id);
const said = by("said");
const onward = sessionStorage.getItem("then");

const BY = {
  passkey: "You say yes with a passkey. No mail link says yes for you.",
  link: "You say yes by the link of a mail. Whoever reads your mail can say yes for you; a passkey ends that.",
  nothing: "Nothing says yes for you yet, so no parcel can come.",
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
  const used = one.last_used_at ? `Last used ${moment(one.last_used_at)}.` : "Not used yet.";
  const copies = one.backed_up ? " Your devices share it." : "";
  const about = `Made ${moment(one.made_at)}. ${used}${copies}`;
  const rename = element("button", { type: "button", className: "quiet small", "aria-label": `Rename ${one.name}` }, "Rename");
  rename.addEventListener("click", () => rename.closest("li").replaceWith(naming(one)));
  if (alone) return row(one.name, about, rename);
  const remove = element("button", { type: "button", className: "bad small", "aria-label": `Remove ${one.name}` }, "Remove");
  twice(remove, `Remove ${one.name}? It can never be used here again.`, "Yes, remove it", () =>
    during(by("list"), by("listed"), async () => {
      await ask("DELETE", `/v1/me/passkeys/${one.id}`);
      await look();
      return `${one.name} is removed.`;
    }),
  );
  return row(one.name, about, rename, remove);
}

function naming(one) {
  const field = element("input", { id: `name-${one.id}`, maxLength: 80, required: true, value: one.name, autocomplete: "off" });
  const form = element(
    "form",
    {},
    element("label", { htmlFor: field.id }, `New name for ${one.name}`),
    field,
    element("button", { type: "submit" }, "Keep this name"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    during(form, by("listed"), async () => {
      await ask("PUT", `/v1/me/passkeys/${one.id}/name`, { body: { name: field.value.trim() } });
      await look();
      return "Renamed.";
    });
  });
  queueMicrotask(() => field.focus());
  return element("li", {}, form);
}

const LEVELS = { link: "By mail", session: "By mail, on a device you had used before", passkey: "With a passkey" };

function session(one) {
  const about = `Since ${moment(one.made_at)}.`;
  if (one.current) return row(LEVELS[one.level], `${about} This is where you are now.`);
  const end = element("button", { type: "button", className: "bad small", "aria-label": `Sign out, ${LEVELS[one.level]}, since ${moment(one.made_at)}` }, "Sign out");
  end.addEventListener("click", () =>
    during(by("sessions"), by("ended"), async () => {
      await ask("DELETE", `/v1/sessions/${one.id}`);
      await look();
      return "Signed out there.";
    }),
  );
  return row(LEVELS[one.level], about, end);
}

function device(one) {
  const forget = element("button", { type: "button", className: "quiet small", "aria-label": "Forget this device" }, "Forget");
  forget.addEventListener("click", () =>
    during(by("devices"), by("forgotten"), async () => {
      await ask("DELETE", `/v1/me/devices/${one.id}`);
      await look();
      return "Forgotten. A sign-in by mail there counts as one on a new device.";
    }),
  );
  return row(`Used ${moment(one.used_at)}`, `First signed in ${moment(one.made_at)}.`, forget);
}

async function look() {
  const [approvals, { data: passkeys }, recovery, { data: devices }, { data: sessions }] = await Promise.all(
    ["me/approvals", "me/passkeys", "me/recovery", "me/devices", "sessions"].map((what) => ask("GET", `/v1/${what}`)),
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
    ? `Somebody in a session of yours says that all your passkeys are lost. They end ${moment(recovery.ripe_at)}.`
    : "";
  by("lost").hidden = Boolean(recovery.ripe_at) || !passkeys.length;
  by("sessions").replaceChildren(...sessions.map(session));
  by("known").hidden = !devices.length;
  by("devices").replaceChildren(...devices.map(device));
  by("onward").hidden = !onward;
  by("page").hidden = false;
}

async function made(name) {
  await make(name);
  await look();
  return "Your passkey is kept. Make one more on another device, in case you lose this one.";
}

by("make").addEventListener("click", () => during(by("choice"), by("chosen"), () => made("First passkey")));
by("mail").addEventListener("click", () =>
  during(by("choice"), by("chosen"), async () => {
    await ask("PUT", "/v1/me/approvals", { body: { by: "link" } });
    await look();
    return "Mail links say yes for you from now on. You can make a passkey here at any time.";
  }),
);
by("another").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.currentTarget;
  during(form, by("listed"), async () => {
    const words = await made(form.elements.name.value.trim() || "Passkey");
    form.reset();
    return words;
  });
});
by("keep").addEventListener("click", () =>
  during(by("waits"), said, async () => {
    await ask("DELETE", "/v1/me/recovery");
    await look();
    return "Taken back: your passkeys stay as they are.";
  }),
);
by("present").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.currentTarget;
  during(form, said, async () => {
    await ask("POST", "/v1/me/recovery/presence", { body: { code: form.elements.code.value.trim() } });
    form.reset();
    await look();
    return "You are in your car, so the wait is over: your passkeys have ended. Make a new one now.";
  });
});
twice(by("recover"), "Are all your passkeys lost? After three days they end, with all your sessions.", "Yes, all are lost", () =>
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
