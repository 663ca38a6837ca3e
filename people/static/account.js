// A person's own account: name, e-mail, sessions and devices (each can be ended), their data as a file, erasing.
import { during, element, say, twice } from "/static/controls.js";
import { ask } from "/static/requests.js";
import { forgetHere } from "/static/signed_out.js";
import { moment } from "/static/times.js";
import { t } from "/static/words.js";
import { exported } from "/export.js";

const LEVELS = {
  link: t("By mail"),
  session: t("By mail, on a device you had used before"),
  passkey: t("With a passkey"),
};
const by = (id) => document.getElementById(id);
const said = by("said");

function row(title, about, ...buttons) {
  const words = element("div", {}, element("strong", {}, title), element("div", { className: "muted small" }, about));
  return element("li", {}, element("div", { className: "line" }, words, ...buttons));
}

function session(one) {
  const time = moment(one.made_at);
  const until = t("Since {time}; ends by itself {end}.", { time, end: moment(one.expires_at) });
  if (one.current) return row(LEVELS[one.level], `${until} ${t("This is where you are now.")}`);
  const label = t("Sign out: {how}, since {time}", { how: LEVELS[one.level], time });
  const end = element("button", { type: "button", className: "bad small", "aria-label": label }, t("Sign out"));
  end.addEventListener("click", () =>
    during(by("sessions"), by("ended"), async () => {
      await ask("DELETE", `/v1/sessions/${one.id}`);
      await look();
      return t("Signed out there.");
    }),
  );
  return row(LEVELS[one.level], until, end);
}

function device(one) {
  const forget = element("button", { type: "button", className: "quiet small", "aria-label": t("Forget this device") }, t("Forget"));
  forget.addEventListener("click", () =>
    during(by("devices"), by("forgotten"), async () => {
      await ask("DELETE", `/v1/me/devices/${one.id}`);
      await look();
      return t("Forgotten. A sign-in by mail there counts as one on a new device.");
    }),
  );
  return row(t("Used {time}", { time: moment(one.used_at) }), t("First signed in {time}.", { time: moment(one.made_at) }), forget);
}

async function look() {
  const [me, { data: sessions }, { data: devices }] = await Promise.all(
    ["me", "sessions", "me/devices"].map((what) => ask("GET", `/v1/${what}`)),
  );
  if (document.activeElement !== by("name")) by("name").value = me.name;
  by("email-now").textContent = t("It is {email}.", me);
  by("changing").hidden = !me.new_email;
  if (me.new_email)
    by("changing-words").textContent = t("{email} takes its place from {time} on, once its own mail's link was followed.", {
      email: me.new_email,
      time: moment(me.new_email_from),
    });
  by("sessions").replaceChildren(...sessions.map(session));
  by("known").hidden = !devices.length;
  by("devices").replaceChildren(...devices.map(device));
  by("page").hidden = false;
}

/** A form that asks one thing and says how that went. */
function form(id, line, work) {
  by(id).addEventListener("submit", (event) => {
    event.preventDefault();
    during(by(id), by(line), async () => {
      const words = await work(by(id).elements);
      by(id).reset();
      await look();
      return words;
    });
  });
}

form("naming", "named", async ({ name }) => {
  await ask("PUT", "/v1/me/name", { body: { name: name.value.trim() } });
  name.blur();
  return t("Kept.");
});
form("moving", "moved", async ({ email }) => {
  await ask("POST", "/v1/me/email", { body: { email: email.value.trim() } });
  return t("Both have a mail now. Follow the link of the one to the new e-mail.");
});
form("present", "moved", async ({ code }) => {
  await ask("POST", "/v1/me/email/presence", { body: { code: code.value.trim() } });
  return t("You are in your car: it counts as soon as the new e-mail's link was followed.");
});
by("keep-email").addEventListener("click", () =>
  during(by("changing"), by("moved"), async () => {
    await ask("DELETE", "/v1/me/email");
    await look();
    return t("Your e-mail stays as it is.");
  }),
);
twice(by("everywhere"), t("Sign out everywhere, on this device too?"), t("Yes, everywhere"), async () => {
  const worked = await during(by("sessions").parentElement, by("ended"), () => ask("DELETE", "/v1/sessions"));
  if (!worked) return;
  forgetHere();
  location.assign("/");
});
by("export").addEventListener("click", () =>
  during(by("export").parentElement, by("exported"), async () => {
    const file = URL.createObjectURL(new Blob([JSON.stringify(await exported(), null, 2)], { type: "application/json" }));
    element("a", { href: file, download: "trunkline-my-data.json" }).click();
    setTimeout(() => URL.revokeObjectURL(file), 60_000);
    return t("Your browser saves the file now.");
  }),
);
const erasing = by("erase").parentElement;
twice(
  by("erase"),
  t("Erase you for good? A car of which you are the only owner belongs to nobody then, and all its addresses, rules and keys end."),
  t("Yes, erase me"),
  async () => {
    const worked = await during(erasing, by("erased"), () => ask("DELETE", "/v1/me"));
    if (!worked) return;
    forgetHere();
    location.assign("/");
  },
);
by("enter").addEventListener("click", () => {
  localStorage.setItem("back", JSON.stringify({ to: location.pathname, at: Date.now() }));
});
look().then(
  () => say(said, ""),
  (problem) => {
    say(said, problem.message, "bad");
    by("sign-in").hidden = problem.status !== 401;
  },
);
