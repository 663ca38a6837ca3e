// Who may come to the desk: somebody signed in, who works here, and has shown a passkey within the shift.
import { during } from "/static/controls.js";
import { t } from "/static/words.js";
import { by } from "/desk/desk_state.js";

/** Begin `work` with who this is, now or once a passkey was shown. */
export async function enter(work) {
  const answer = await fetch("/v1/desk/me", { headers: { Accept: "application/json" } }).catch(() => null);
  const read = answer ? await answer.json().catch(() => ({})) : {};
  if (answer && answer.ok) {
    by("entry").hidden = true;
    by("working").hidden = false;
    work(read);
    return;
  }
  by("entry").hidden = false;
  by("working").hidden = true;
  const needed = read.code === "auth.passkey_needed";
  by("prove").hidden = !needed;
  by("entry-link").hidden = needed || read.code === "desk.not_an_agent" || answer === null;
  if (answer === null) by("entry-says").textContent = t("We cannot be reached now. Reload this page.");
  else if (needed) by("entry-says").textContent = t("At the desk you show your passkey once a shift.");
  else if (read.code === "desk.not_an_agent") by("entry-says").textContent = t("You are signed in, and do not work at this desk. An operator can make you an agent.");
  else by("entry-says").textContent = t("Sign in to work at the desk.");
  by("entry-go").onclick = () => localStorage.setItem("back", JSON.stringify({ to: location.pathname + location.hash, at: Date.now() }));
  by("prove").onclick = () => prove(work);
}

async function prove(work) {
  const shown = await during(by("entry"), by("entry-said"), async () => {
    const { prove: show } = await import("/passkey-ask.js");
    try {
      await show();
    } catch (problem) {
      if (problem.code !== "people.not_found") throw problem;
      by("entry-go").href = "/passkeys";
      by("entry-go").textContent = t("Make a passkey");
      by("entry-link").hidden = false;
      throw new Error(t("You have no passkey yet. Make one, then come back."));
    }
  });
  if (shown) await enter(work);
}
