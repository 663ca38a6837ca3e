// What is asked of the car while somebody stands before it: ten seconds, never kept for later, never sent twice.
import { call, jobPath, signedIn } from "/courier/api.js";
import { possession } from "/courier/device.js";
import { carWords } from "/courier/problems.js";
import { t } from "/static/words.js";

const PATIENCE_MS = 10_000;
const ON_THE_WAY_MS = 1_500;
/** Less than this is left: the car could not answer any more, so nothing is sent. */
const LEAST_MS = 2_500;
/** A challenge is good for 30 s at the car; the last five are for the way. */
const CHALLENGE_MS = 25_000;
const AGAIN_MS = 20_000;

/** Ten seconds from now, by whichever clock has gone further: a phone that slept in between has none left. */
function patience() {
  const [wall, steady] = [Date.now(), performance.now()];
  return () => PATIENCE_MS - Math.max(Date.now() - wall, performance.now() - steady);
}

const waits = (left) => Math.max(0, Math.floor((left - ON_THE_WAY_MS) / 1000));

/** Asks the car for a challenge every 20 s while the phone is in front of it, so that the tap is one round trip. */
export class Challenges {
  #delivery;
  #told;
  #timer = 0;
  #kept = null;

  /** `told(words)`: why there is none now; empty where there is one. */
  constructor(delivery, told) {
    this.#delivery = delivery;
    this.#told = told;
  }

  start() {
    if (!this.#timer) this.#next();
  }

  stop() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#kept = null;
  }

  /** The newest one, once: it is dropped whatever comes of the attempt. */
  take() {
    const kept = this.#kept;
    this.#kept = null;
    return kept && Date.now() < kept.ends ? kept.challenge : null;
  }

  async #next() {
    this.#timer = setTimeout(() => this.#next(), AGAIN_MS);
    if (document.visibilityState !== "visible") return;
    const ends = Date.now() + CHALLENGE_MS;
    try {
      const { challenge } = await call("POST", jobPath(this.#delivery, "challenge"), { wait: 8, patience: PATIENCE_MS });
      if (!this.#timer) return;
      this.#kept = { challenge, ends };
      this.#told("");
    } catch (problem) {
      this.#told(problem.message);
    }
  }
}

const nothing = (words) => ({ outcome: "not_sent", words });

/**
 * One attempt to open. `token`: the delivery key. `challenge`: one that was asked for ahead, or null. `at`: `{ position, reason }`.
 * Gives the service's answer, or `not_sent` (nothing was opened), `stopped` (the service did not ask the car: `words`), or
 * `unsure` (no answer: look at the boot).
 */
export async function open(delivery, token, challenge, at) {
  const left = patience();
  let proof;
  try {
    await signedIn({ patience: left() });
    challenge ??= (await call("POST", jobPath(delivery, "challenge"), { wait: waits(left()), patience: left(), single: true })).challenge;
    proof = await possession(token, challenge);
  } catch (problem) {
    return { ...nothing(problem.message), code: problem.code || "" };
  }
  if (navigator.onLine === false) return nothing(t("No network. Nothing was sent."));
  if (left() < LEAST_MS) return nothing(t("It took too long to reach the car."));
  return ask(delivery, "open", left, { proof, ...at });
}

/** Flash the lights, or drive the lock shut: `done`, `refused`, `not_sent`, `stopped`, `unsure` or `pending`. */
export async function simply(delivery, what) {
  const left = patience();
  if (navigator.onLine === false) return nothing(t("No network. Nothing was sent."));
  return ask(delivery, what, left);
}

async function ask(delivery, what, left, json) {
  try {
    return await call("POST", jobPath(delivery, what), { json, wait: waits(left()), patience: left(), single: true });
  } catch (problem) {
    if (problem.may) return { outcome: "unsure", code: problem.code };
    return { outcome: "stopped", code: problem.code, words: problem.message };
  }
}

/** What became of an attempt to open, in words: `{ title, next, tone }`. */
export function opened({ outcome, code = "", words = "" }) {
  switch (outcome) {
    case "opened":
      return { title: t("Open"), next: t("Lift the lid, put the parcel in, shut the lid."), tone: "good" };
    case "refused":
      return { title: t("The car said no. Nothing was opened."), next: carWords(code) || code, tone: "bad" };
    case "stopped":
      return { title: t("Nothing was opened."), next: words, tone: "bad" };
    case "not_sent":
      return { title: t("Not sent. Nothing was opened."), next: words || carWords("not_sent"), tone: "bad" };
    case "pending":
      return { title: t("No answer from the car yet."), next: t("Look at the boot: it may open now."), tone: "wait" };
    default:
      return {
        title: t("We cannot tell whether it opened."),
        next: t("Look at the boot. If it is shut, hold the button again."),
        tone: "bad",
      };
  }
}

/** What became of flashing or locking, in one sentence; empty where it was done. */
export function simplyWords({ outcome, code = "", words = "" }) {
  if (outcome === "done") return "";
  if (outcome === "refused") return carWords(code) || t("The car said no.");
  if (outcome === "not_sent" || outcome === "stopped") return words || carWords("not_sent");
  return t("No answer from the car. Look whether it was done.");
}
