// The one-time token comes in the fragment, which no server sees; it is sent when the button is pressed, not before.
import { during, say } from "/static/controls.js";
import { possible, signIn } from "/passkey-ask.js";
import { ask } from "/static/requests.js";
import { t } from "/static/words.js";

const BACK_MS = 30 * 60_000;
const follow = document.getElementById("follow");
const form = document.getElementById("ask");
const said = document.getElementById("said");
const kept = `link${location.pathname}`;
let token = location.hash.slice(1);

// Kept for this tab only, so that a reload does not lose the link and the address bar holds no secret.
if (token) sessionStorage.setItem(kept, token);
else token = sessionStorage.getItem(kept) || "";
history.replaceState(null, "", location.pathname);
addEventListener("hashchange", () => location.reload());

/** Only a path of ours, never another site; browsers drop tabs and line ends, and "/\t/" would be one. */
function ours(path) {
  return typeof path === "string" && /^\/(?![/\\])[!-~]*$/.test(path) ? path : "/";
}

/** Where somebody was who had to sign in first, if that is not long ago. */
function wherefrom() {
  const text = localStorage.getItem("back");
  localStorage.removeItem("back");
  try {
    const { to, at } = JSON.parse(text);
    return Math.abs(Date.now() - at) < BACK_MS ? to : "/";
  } catch {
    return "/"; // nothing was kept, or nothing that can be read: the sign-in is done all the same
  }
}

async function useUp() {
  try {
    return await ask("POST", follow.dataset.post, { body: { token } });
  } catch (problem) {
    if (problem.status === 410) {
      sessionStorage.removeItem(kept);
      follow.hidden = true;
      if (form) showForm();
    }
    throw problem;
  }
}

function offer() {
  follow.hidden = false;
  document.getElementById("go").addEventListener("click", () =>
    during(follow, said, async () => {
      const made = await useUp();
      sessionStorage.removeItem(kept);
      follow.hidden = true;
      if (follow.dataset.done) return follow.dataset.done;
      return goOn(made);
    }),
  );
}

/** On to where they wanted; whoever wanted nothing in particular is asked first how they say yes, until they said. */
function goOn(made) {
  const to = ours(made.to === "/" ? wherefrom() : made.to);
  if (made.approves_by === "nothing" && to === "/") {
    sessionStorage.setItem("then", to);
    location.replace("/passkeys");
  } else location.replace(to);
  return t("Signed in.");
}

function showForm() {
  form.hidden = false;
  document.getElementById("with-passkey").hidden = !possible;
}

/** The answer is the same for every e-mail, so the page says what to do and not whether it is known. */
function showMailed(email) {
  form.hidden = true;
  document.getElementById("with-passkey").hidden = true;
  document.getElementById("mailed-to").textContent = t("You asked for a link to {email}.", { email });
  document.getElementById("mailed").hidden = false;
  document.getElementById("mailed-title").focus();
}

if (form)
  document.getElementById("again").addEventListener("click", () => {
    document.getElementById("mailed").hidden = true;
    showForm();
    form.elements.email.focus();
  });
if (form)
  document.getElementById("passkey").addEventListener("click", () =>
    during(document.getElementById("with-passkey"), said, async () => goOn(await signIn())),
  );
if (form)
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    during(form, said, async () => {
      const email = form.elements.email.value.trim();
      await ask("POST", "/v1/sign-in", { body: { email } });
      showMailed(email);
    });
  });
if (token) offer();
else if (form) showForm();
else say(said, t("This page is reached by the link of a mail. Nothing was done."), "bad");
