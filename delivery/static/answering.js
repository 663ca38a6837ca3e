// Giving an answer: what a yes needs, the passkey's gesture over exactly that, and the one request that decides.
import { twice } from "/static/controls.js";
import { ask, Refused } from "/static/requests.js";
import { signature } from "/delivery/cosign.js";

const by = (id) => document.getElementById(id);
const NOTHING = "Your passkey did not sign, so nothing was decided. Try again, on a device that has your passkey.";

/** The passkey's assertion over the challenge that the server makes for this answer. Throws Refused: nothing was decided. */
export async function assertion(path, body) {
  const { options } = await ask("POST", path, { body, looks: true });
  if (typeof PublicKeyCredential?.parseRequestOptionsFromJSON !== "function") throw new Refused(NOTHING);
  try {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
    return (await navigator.credentials.get({ publicKey })).toJSON();
  } catch {
    throw new Refused(NOTHING);
  }
}

/** Whether a yes is given with the passkey at once. `session`: the page is a signed-in person's, where a repeat may do without. */
function wantsPasskey(needed, session) {
  return Boolean(needed) && needed.by === "passkey" && (needed.level === "passkey" || !session);
}

/** Say what a yes needs, and name the button so. `needed` as the API gives it, or null. */
export function showNeeded(needed, { session }) {
  const label = wantsPasskey(needed, session) ? "Approve with your passkey" : "Approve";
  const link = "Whoever reads your mail could approve this for you. A passkey ends that.";
  const repeat = needed && needed.level === "session" && needed.by === "passkey";
  const same = session ? "You approved the same before." : "You approved the same before. A mail's link alone does not approve it.";
  const words = repeat ? same : needed ? needed.how || (needed.by === "link" ? link : "") : "";
  if (by("approve").textContent !== label) by("approve").textContent = label;
  if (by("needed").textContent !== words) by("needed").textContent = words;
  by("needed").hidden = words === "";
  by("needed").className = needed && needed.by === "nothing" ? "stands wait" : "muted small";
}

/**
 * Send one answer. `at`: { decide, challenge: { path, base }, base, session }: paths, and what every body has.
 * `question`: { content, shown, needed }. The owner of a car that wants its own signature gives one gesture where
 * that is enough.
 */
export async function answer(at, question, { decision, silent = false, notMe = false, fra = null }) {
  const yes = decision === "approve";
  const { needed } = question;
  const own = yes ? await signature(question.content) : undefined;
  const body = { ...at.base, decision, shown: question.shown, silent, not_me: notMe, fra, own };
  const prove = () => assertion(at.challenge.path, { ...at.challenge.base, decision, fra });
  if (yes && !own && wantsPasskey(needed, at.session)) body.assertion = await prove();
  try {
    return await ask("POST", at.decide, { body });
  } catch (problem) {
    // A session that counts for less than it seemed, or a passkey that only the car knows: one more gesture is enough.
    const more = problem.code === "approval.level_too_low" && yes && !body.assertion && needed && needed.by === "passkey";
    if (!more) throw problem;
    return ask("POST", at.decide, { body: { ...body, assertion: await prove() } });
  }
}

/** The button for whoever ordered nothing of the kind. */
export function notMe(work) {
  twice(
    by("not-me"),
    "Did you order nothing of the kind? Then this is declined, and this carrier cannot ask for your car any more until you allow it again on your page. We are told, too.",
    "Yes, that was not me",
    work,
  );
}
