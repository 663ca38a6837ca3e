// The courier's jobs: read from the service, kept on the phone while they are of use, and the delivery key for its window.
import { call, jobPath } from "/courier/api.js";
import { now } from "/courier/clock.js";
import { claims } from "/courier/device.js";
import { all, drop, get, put } from "/courier/store.js";

/** A job is of no use any more so long after its window: what the phone knows of the car goes. */
const AFTER_MS = 60 * 60_000;
/** Jobs of the past are in the list too, the newest first: so far back is looked for one that is not over. */
const PAGES = 3;
const FOR_THE_CAR = new Set(["keyed", "en_route", "arrived", "unsure"]);

/** Keep what the service says of a job; one that is over leaves nothing on the phone. */
export async function keep(job) {
  if (job.sees === "over") await forget(job.id);
  else await put("jobs", { job, at: Date.now() }, job.id);
}

async function forget(id) {
  await Promise.all([drop("jobs", id), drop("keys", id)]);
}

/** What is kept, the soonest first: `[{ job, at }]`. */
export async function kept() {
  const found = await all("jobs");
  const old = found.filter(({ job }) => Date.parse(job.window.end) + AFTER_MS < now());
  await Promise.all(old.map(({ job }) => forget(job.id)));
  return found
    .filter((one) => !old.includes(one))
    .sort((one, other) => one.job.window.start.localeCompare(other.job.window.start) || one.job.id.localeCompare(other.job.id));
}

/** One job as last seen: `{ job, at }`, or undefined. */
export const keptJob = (id) => get("jobs", id);

/** Read the list anew; what is not in it any more is forgotten, once the whole list was read. Throws Refused. */
export async function readAll() {
  const found = [];
  let after = "";
  for (let pages = 0; pages < PAGES; pages += 1) {
    const page = await call("GET", `/v1/courier/jobs?limit=100${after && `&after=${encodeURIComponent(after)}`}`);
    found.push(...page.data);
    after = page.next || "";
    if (!after || page.data.every((job) => job.sees === "over")) break;
  }
  const here = new Set(found.map((job) => job.id));
  const gone = after ? [] : (await all("jobs")).filter(({ job }) => !here.has(job.id));
  await Promise.all([...found.map(keep), ...gone.map(({ job }) => forget(job.id))]);
}

/** Read one job anew. Throws Refused; a job that is not this phone's any more is forgotten. */
export async function readOne(id) {
  try {
    const job = await call("GET", jobPath(id));
    await keep(job);
    return job;
  } catch (problem) {
    if (problem.status === 404) await forget(id);
    throw problem;
  }
}

/** The delivery key that is on the phone: `{ key, token, ends }`, or null. It goes with its window. */
export async function keyOf(job) {
  const there = await get("keys", job.id);
  if (!there) return null;
  const over = now() >= there.ends || there.key !== job.key_id || !job.key || job.key.state !== "made";
  if (!over) return there;
  await drop("keys", job.id);
  return null;
}

/** Fetch the key ahead, once there is one, so that opening needs it from nobody. Quiet: the next look tries again. */
export async function fetchKey(job) {
  if (!job.key_id || !FOR_THE_CAR.has(job.state) || (await keyOf(job))) return;
  try {
    const { key, token } = await call("GET", jobPath(job.id, "key"));
    await put("keys", { key, token, ends: claims(token).exp * 1000 }, job.id);
  } catch {
    // not signed yet, or no network
  }
}
