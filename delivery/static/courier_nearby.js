// Opening a car that has no network: key, proof and news go over the local link, the car's receipts come back.
import { call, jobPath, send } from "/courier/api.js";
import { claims, possession } from "/courier/device.js";
import { t } from "/static/words.js";

const PATIENCE_MS = 10_000;
const NEWS_MS = 4_000;
const LOOK_MS = 1_000;
/** So long the phone stays for the receipts of one opening. */
const STAY_MS = 5 * 60_000;
const MOST = 64;
const BY_NEWER_TRUST = new Set(["refused", "stale_trust"]);
const SHUT = new Set(["locked", "not_lifted"]);

/** What radio says is anybody's: a code that may be shown, or the one for what is none. */
const coded = (no) => (typeof no === "string" && /^[a-z_]{1,40}$/.test(no) ? no : "internal");

async function perhaps(work) {
  try {
    return await work();
  } catch {
    return null; // no network, which is what this way is for
  }
}

async function present(link, delivery, token, until) {
  const asked = await link.ask({ challenge: { link: "phone" } }, PATIENCE_MS);
  if (!asked.ok) return { outcome: "refused", code: coded(asked.no) };
  const { challenge, fresh } = asked.ok;
  const news = fresh === true && (await perhaps(() => call("POST", jobPath(delivery, "fresh"), { json: { challenge }, wait: 3, patience: NEWS_MS })));
  const proof = await possession(token, challenge);
  if (Date.now() > until) return { outcome: "not_sent", words: t("It took too long to reach the car.") };
  let said;
  try {
    said = await link.ask({ present: { key: token, proof, ...(news ? { fresh: news.fresh } : {}) } }, PATIENCE_MS);
  } catch {
    return { outcome: "unsure" };
  }
  if (said.ok) return { outcome: "opened" };
  return said.no === "may_have_opened" ? { outcome: "unsure" } : { outcome: "refused", code: coded(said.no) };
}

/**
 * One attempt over the link, with the same outcomes as over the network. A car that does not know the key's signer, or has
 * not heard for too long, is brought the service's newest trust bundle where the phone has network, and asked once more.
 */
export async function openNearby(link, delivery, token) {
  const until = Date.now() + PATIENCE_MS;
  if (!link) return { outcome: "not_sent", words: t("The car has gone away.") };
  try {
    const first = await present(link, delivery, token, until);
    if (first.outcome !== "refused" || !BY_NEWER_TRUST.has(first.code)) return first;
    const trust = await perhaps(() => send("GET", "/.well-known/trust.json", { patience: NEWS_MS }));
    if (!trust || !Array.isArray(trust.bundle)) return first;
    const taken = await link.ask({ bundle: trust.bundle }, PATIENCE_MS);
    return taken.ok?.taken === true ? await present(link, delivery, token, until + PATIENCE_MS) : first;
  } catch (problem) {
    return { outcome: "not_sent", words: problem.message };
  }
}

/**
 * What the car says of this key until it is shut, unverified: `told(receipts, last)` with each batch and what the last of them
 * says (`opened`, `closed`, `locked` …). Ends when the car has gone away.
 */
export async function receipts(link, told) {
  const ends = Date.now() + STAY_MS;
  let [after, count] = [0, 0];
  while (count < MOST && Date.now() < ends) {
    const said = await perhaps(() => link.ask({ receipts: { after } }));
    const found = said?.ok?.receipts;
    if (!Array.isArray(found)) return;
    const read = await perhaps(() => found.map((one) => ({ ...claims(one) })));
    if (!read || read.some(({ n }) => !Number.isSafeInteger(n) || n <= after)) return;
    if (found.length) {
      [after, count] = [Math.max(...read.map(({ n }) => n)), count + found.length];
      const outs = read.map(({ out }) => String(out));
      await told(found, outs.at(-1));
      if (outs.some((out) => SHUT.has(out))) return;
    }
    if (!said.ok.more) await new Promise((next) => setTimeout(next, LOOK_MS));
  }
}
