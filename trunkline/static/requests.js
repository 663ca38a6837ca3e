// The pages' one door to the API: JSON in and out, and every refusal in plain words with what to do next.
import { n, t } from "/static/words.js";

const PATIENCE_MS = 15_000;

const WORDS = {
  "auth.unauthenticated": t("Your session is over. Sign in again."),
  "auth.cross_site": t("This browser did not send what shows that you pressed a button on our own page. Nothing was done. Try another browser."),
  "auth.passkey_needed": t("This asks for your passkey, and it was not shown. Nothing was done. Try again on a device that has it."),
  "passkey.refused": t("This passkey was not taken. Nothing was done. Try again, or with another one."),
  "passkey.no_name": t("Passkeys do not work at this address. Open this place by its name."),
  "passkey.last": t("This is your last passkey, so it stays. Make another one first."),
  "passkey.known": t("This passkey is kept already."),
  "approvals.passkey_exists": t("You have or had a passkey, so no mail link says yes for you any more."),
  "recovery.nothing": t("You have no passkey that could be lost."),
  "link.refused": t("This link was used already or is too old. Nothing was done. Ask for a new one."),
  "question.link": t("This link is not known, or newer mails replaced it. Nothing was decided. Open the newest mail about this delivery."),
  "question.over": t("Nothing is asked any more: the time to answer is over, or the carrier withdrew it. Nothing was decided now."),
  "question.decided": t("It was answered already, or it has changed since you looked. Nothing was changed now. Reload this page to see it."),
  "key.owner_must_sign": t("This car opens for no key without your passkey, and it did not sign. Nothing was decided. Open the newest mail about this delivery on a device that has the passkey."),
  "key.owner_signature": t("The car does not know the passkey that signed. Nothing was decided. Use one that you paired in the car."),
  "delivery.not_found": t("There is no such delivery among those of your cars."),
  "delivery.not_in_this_state": t("It has moved on meanwhile, so this was not done. The page shows how it stands now."),
  "car.role": t("Your role on this car does not allow this. Ask its owner."),
  "car.has_owner": t("This car has an owner. Ask them to invite you."),
  "code.refused": t("This code is not right, was used, or is too old. Have the car show a new one and type it again."),
  "people.not_found": t("That is not there any more. Reload this page."),
  "people.full": t("There is no room for one more. End one that you do not need first."),
  "idempotency.in_progress": t("The first try is still running. Wait a moment and press again."),
  "approval.assertion": t("This passkey's answer was for something else. Nothing was decided. Reload this page and try again."),
  "approval.level_too_low": t("This needs more than was shown, so nothing was decided. Answer with your passkey, or make one first."),
  "approval.not_as_shown": t("It has changed since you looked. Nothing was decided. Reload this page to see it."),
  "car.last_owner": t("You are the last owner of this car. Invite another owner first, or give the car up."),
  "delivery.no_key_left": t("This cannot be changed any more. Ask the carrier for another time; then you are asked anew."),
  "delivery.window": t("This end does not fit: it has to be later than what is agreed now, and the whole window may not become too long."),
  "evidence.none": t("There is nothing to prove yet: no key was ever made for this delivery."),
  "idempotency.other_body": t("Something else was asked under this name before. Nothing was changed. Reload this page and try again."),
  "person.email": t("This e-mail cannot be used for this. Nothing was changed."),
  "people.not_now": t("This cannot be done now. Nothing was changed. Reload this page to see how it stands."),
  "photo.not_found": t("This photo is not kept any more."),
  "rules.changed": t("Somebody changed these settings since you looked. Nothing was changed now. Reload this page to see them."),
  "push.choice_changed": t("Somebody changed these settings since you looked. Nothing was changed now. Reload this page to see them."),
  "standing.not_found": t("That is not there any more. Reload this page."),
  "standing.too_many": t("There is no room for one more. Take back one that you do not need."),
};

/** What the API said no to. `unknown`: it may have been done all the same. `read`: the answer's own members. */
export class Refused extends Error {
  constructor(words, { status = 0, code = "", unknown = false, read = {} } = {}) {
    super(words);
    this.status = status;
    this.code = code;
    this.unknown = unknown;
    this.read = read;
  }
}

/** A name for one wish: sent with each try of it, so that two presses make one thing. */
export function once() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * One request; gives the answer's JSON (null for none) or throws Refused.
 * `looks`: it changes nothing, so no answer means only that there is nothing to show.
 * `seen`: is given the answer itself, for its headers.
 */
export async function ask(method, path, { body, looks = method === "GET", wish, headers = {}, seen } = {}) {
  try {
    return await send(method, path, body, looks, wish, headers, seen);
  } catch (problem) {
    if (problem.code !== "auth.passkey_needed") throw problem;
    // Nothing was done: the person shows a passkey, and the same is asked once more.
    const { possible, prove } = await import("/passkey-ask.js");
    if (!possible) throw problem;
    await prove();
    return await send(method, path, body, looks, wish, headers, seen);
  }
}

async function send(method, path, body, looks, wish, more, seen) {
  const headers = { Accept: "application/json", ...more };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (wish) headers["Idempotency-Key"] = wish;
  let answer;
  let read;
  try {
    answer = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    const text = await answer.text();
    read = text && (answer.headers.get("Content-Type") || "").includes("json") ? JSON.parse(text) : null;
  } catch {
    throw silence(looks);
  }
  if (answer.ok) {
    if (seen) seen(answer);
    return read;
  }
  throw refusal(answer, read || {}, looks);
}

function silence(looks) {
  if (looks) return new Refused(t("We cannot be reached now. Look at your connection; nothing was changed."));
  return new Refused(
    t("No answer came, so we cannot tell whether it was done. Press again: the same once more does no harm."),
    { unknown: true },
  );
}

function refusal(answer, read, looks) {
  const about = { status: answer.status, code: read.code || "", unknown: read.may_have_happened === true && !looks, read };
  if (WORDS[about.code]) return new Refused(WORDS[about.code], about);
  if (answer.status === 429) return new Refused(tooMany(Number(answer.headers.get("Retry-After"))), about);
  if (answer.status === 422) return new Refused(t("That cannot be right. Look at what you typed."), about);
  if (answer.status >= 500 && !looks)
    return new Refused(
      t("Something broke on our side, and we cannot tell whether it was done. Press again: the same once more does no harm."),
      { ...about, unknown: true },
    );
  if (answer.status >= 500) return new Refused(t("Something broke on our side. Nothing was changed. Try again."), about);
  return new Refused(read.detail || t("That did not work. Nothing was changed."), about);
}

function tooMany(seconds) {
  if (!seconds) return t("Too many tries. Wait some minutes, then try again.");
  if (seconds < 90)
    return n("Too many tries. Wait {count} second, then try again.", "Too many tries. Wait {count} seconds, then try again.", Math.ceil(seconds));
  const minutes = Math.ceil(seconds / 60);
  return n("Too many tries. Wait {count} minute, then try again.", "Too many tries. Wait {count} minutes, then try again.", minutes);
}
