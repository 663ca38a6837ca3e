// Giving an answer: what a yes needs, the passkey's gesture over exactly that, and the one request that decides.
import { twice } from "/static/controls.js";
import { ask, Refused } from "/static/requests.js";
import { t } from "/static/words.js";
import { signature } from "/delivery/cosign.js";

const by = (id) => document.getElementById(id);
const NOTHING = t("Your passkey did not sign, so nothing was decided. Try again, on a device that has your passkey.");
/** Why a yes needs a passkey, by the grounds of `delivery.levels`. */
const WHY = {
  cabin: t("It opens the cabin too."),
  new_carrier: t("It is the first time for this carrier at your car."),
  new_kind: t("This carrier brought or fetched before, and now wants the other."),
  new_place: t("It is the first time for this carrier at this place."),
  long: t("It is longer than what you approved before."),
  offline: t("A block might not reach the car in time."),
};

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

/** What a yes of this person needs, in plain words; empty where one press is enough. */
function neededWords(needed, session) {
  if (!needed) return "";
  const why = needed.why.map((ground) => WHY[ground]).filter(Boolean);
  if (needed.by === "nothing") return t("Make a passkey first, or choose approving by mail; then answer again.");
  if (needed.by === "link") {
    if (needed.level === "passkey") return [t("Make a passkey first; then answer again with it."), ...why].join(" ");
    return t("Whoever reads your mail could approve this for you. A passkey ends that.");
  }
  if (needed.level === "passkey") return [t("Answer with your passkey."), ...why].join(" ");
  const same = t("You approved the same before.");
  return session ? same : `${same} ${t("A mail's link alone does not approve it.")}`;
}

/** Say what a yes needs, and name the button so. `needed` as the API gives it, or null. */
export function showNeeded(needed, { session }) {
  const label = wantsPasskey(needed, session) ? t("Approve with your passkey") : t("Approve");
  const words = neededWords(needed, session);
  const blocks = Boolean(needed) && (needed.by === "nothing" || (needed.by === "link" && needed.level === "passkey"));
  if (by("approve").textContent !== label) by("approve").textContent = label;
  if (by("needed-words").textContent !== words) by("needed-words").textContent = words;
  by("needed").hidden = words === "";
  by("needed").className = blocks ? "stands wait" : "muted small";
  by("choose").hidden = !needed || (needed.by !== "nothing" && needed.by !== "link");
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
    if (problem.code !== "approval.level_too_low") throw problem;
    // A session that counts for less than it seemed, or a passkey that only the car knows: one more gesture is enough.
    if (yes && !body.assertion && needed && needed.by === "passkey")
      return ask("POST", at.decide, { body: { ...body, assertion: await prove() } });
    throw new Refused(neededWords(needed, at.session) || problem.message, problem);
  }
}

/** The button for whoever ordered nothing of the kind. */
export function notMe(work) {
  twice(
    by("not-me"),
    t("Did you order nothing of the kind? Then this is declined, and this carrier cannot ask for your car any more until you allow it again on your page. We are told, too."),
    t("Yes, that was not me"),
    work,
  );
}
