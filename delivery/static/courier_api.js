// The phone's one door to the service: signs this device in, and says of each request what became of it.
import { assertion, device } from "/courier/device.js";
import { learn } from "/courier/clock.js";
import { explain } from "/courier/problems.js";

const PATIENCE_MS = 15_000;
const RENEW_MS = 60_000;
let token = "";
let whose = "";
let ends = 0;
let signing = null;

/** Tells `change`, and `unknown` where this phone is enrolled no more. `online`: whether the last request reached the service; a browser's own idea of it is often wrong. */
export const link = Object.assign(new EventTarget(), { online: navigator.onLine, heard: null });

function heard(online) {
  const changed = link.online !== online;
  link.online = online;
  if (online) link.heard = new Date();
  if (changed) link.dispatchEvent(new Event("change"));
}
addEventListener("offline", () => heard(false));

/**
 * What was not done. `status` 0: no answer came. `reached`: the service said so itself. `may`: it may have happened all the
 * same. `clock`: this phone's was off.
 */
export class Refused extends Error {
  constructor(words, { status = 0, code = "", wait = 0, clock = false, may = status === 0 } = {}) {
    super(words);
    Object.assign(this, { status, code, wait, clock, may, reached: status > 0 });
  }
}

/** One request without a token. `patience` in ms. Throws Refused. */
export async function send(method, path, { json, bytes, headers = {}, patience = PATIENCE_MS } = {}) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), patience);
  const type = json === undefined ? (bytes === undefined ? {} : { "Content-Type": "image/jpeg" }) : { "Content-Type": "application/json" };
  let answer;
  let text;
  try {
    answer = await fetch(path, {
      method,
      headers: { Accept: "application/json", ...type, ...headers },
      body: json === undefined ? bytes : JSON.stringify(json),
      signal: stop.signal,
      cache: "no-store",
      credentials: "omit",
    });
    text = await answer.text();
  } catch {
    heard(false);
    throw new Refused(explain("network"), { code: "network" });
  } finally {
    clearTimeout(timer);
  }
  heard(true);
  const clock = learn(answer.headers.get("Date"));
  const isJson = (answer.headers.get("Content-Type") || "").includes("json");
  const read = text && isJson ? JSON.parse(text) : {};
  if (answer.ok) return read;
  const code = read.code || (answer.status === 429 ? "rate.limited" : "");
  const wait = Number(answer.headers.get("Retry-After")) || 0;
  const may = read.may_have_happened ?? answer.status >= 500;
  throw new Refused(explain(code, answer.status), { status: answer.status, code, wait, clock, may });
}

/** Have a token that is good for at least a minute. Throws Refused: `device.unknown` where this phone is not enrolled (any more). */
export async function signedIn({ patience } = {}) {
  // A phone that was enrolled for somebody else meanwhile, here or in another tab, goes on with nothing of the former one's.
  const who = (await device())?.courier || "";
  if (token && whose === who && Date.now() < ends) return;
  signing ??= signIn({ patience }).finally(() => {
    signing = null;
  });
  await signing;
}

async function signIn({ patience, again = true }) {
  const who = (await device())?.courier || "";
  if (!who) throw new Refused(explain("device.unknown"), { status: 401, code: "device.unknown" }); // or not yet
  try {
    const made = await send("POST", "/v1/courier/session", { json: { assertion: await assertion() }, patience });
    token = made.token;
    whose = who;
    ends = Date.now() + made.expires_in * 1000 - RENEW_MS;
  } catch (problem) {
    if (problem.status !== 401) throw problem;
    // Once more, with the clock as it is known now, before the phone gives up what it keeps.
    if (again) return signIn({ patience, again: false });
    link.dispatchEvent(new Event("unknown"));
    throw new Refused(explain("device.unknown"), { status: 401, code: "device.unknown" });
  }
}

/**
 * One request of this device. `wish`: the name of one wish, sent with each try of it. `wait`: seconds that the service
 * may wait for the car. A token that has ended meanwhile is renewed and the same asked once more, unless `single`.
 */
export async function call(method, path, { wish, wait, single = false, ...rest } = {}) {
  // Signing in is short, also before what takes long: a tap may be waiting for the same.
  await signedIn({ patience: Math.min(rest.patience ?? PATIENCE_MS, PATIENCE_MS) });
  const headers = { Authorization: `Bearer ${token}` };
  if (wish) headers["Idempotency-Key"] = wish;
  if (wait !== undefined) headers.Prefer = `wait=${wait}`;
  try {
    return await send(method, path, { ...rest, headers });
  } catch (problem) {
    if (problem.status !== 401) throw problem;
    token = "";
    if (single) throw problem;
  }
  await signedIn();
  return send(method, path, { ...rest, headers: { ...headers, Authorization: `Bearer ${token}` } });
}

/** A path of one job. */
export const jobPath = (delivery, what = "") => `/v1/courier/jobs/${delivery}${what && `/${what}`}`;
