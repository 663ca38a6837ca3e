// What waits to be sent: arrived, photo, failed, done, the car's receipts. Kept on the phone, sent in order, each under a name of its own.
import { call, jobPath } from "/courier/api.js";
import { explain } from "/courier/problems.js";
import { all, drop, get, put } from "/courier/store.js";

const FIRST_MS = 2_000;
const LONGEST_MS = 30_000;
/** A photo over a network of the worst kind; what is sent anew from its beginning every 15 s would never arrive. */
const PHOTO_MS = 120_000;
const ARRIVED_MS = 15 * 60_000;
const LATER_STATUS = new Set([401, 408, 429]);
const LATER_CODE = new Set(["idempotency.in_progress", "key.not_signed_yet"]);

/** Tells `change` when something was added, sent or refused; the event's `job` is the service's newest answer. */
export const outbox = new EventTarget();
let running = null;
let wanted = false;
let timer = 0;
let pause = FIRST_MS;

function tell(job = null) {
  outbox.dispatchEvent(Object.assign(new Event("change"), { job }));
}

function name() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Keep it and try to send it. `what`: the path's last part; `json` or `bytes`: the body. Resolves once it is kept. */
export async function later(delivery, what, { json, bytes } = {}) {
  await put("outbox", { wish: name(), delivery, what, json, bytes, at: Date.now(), refused: "" });
  tell();
  sendAll();
}

/** Items in order; `refused` has the code of one that the service will never take. */
export const waiting = () => all("outbox");

/** Forget one that was refused, once its words were read. */
export async function dismiss(item) {
  await drop("outbox", item.n);
  tell();
}

/** Send what waits, now. One page at a time does it; a copy that is sent twice is the same wish. */
export function sendAll() {
  wanted = true;
  running ??= work().finally(() => {
    running = null;
  });
  return running;
}

async function work() {
  clearTimeout(timer);
  while (wanted) {
    wanted = false;
    const done = await navigator.locks.request("trunkline-courier-outbox", inOrder);
    if (done) pause = FIRST_MS;
    else {
      timer = setTimeout(sendAll, pause);
      pause = Math.min(pause * 2, LONGEST_MS);
      return;
    }
  }
}

/** No answer, or one that says nothing about the request itself. */
function comesLater({ reached, status, code }) {
  return !reached || status >= 500 || LATER_STATUS.has(status) || LATER_CODE.has(code);
}

/** Gives false where the rest has to wait. */
async function inOrder() {
  for (const item of await waiting()) {
    if (item.refused || !(await get("outbox", item.n))) continue; // gone: the phone is somebody else's by now
    if (item.what === "arrived" && Math.abs(Date.now() - item.at) > ARRIVED_MS) {
      // Also where the clock was set back since: how old it is cannot be told.
      await refuse(item, "courier.arrive_first");
      continue;
    }
    try {
      const { wish, json, bytes } = item;
      const job = await call("POST", jobPath(item.delivery, item.what), { wish, json, bytes, patience: bytes && PHOTO_MS });
      await drop("outbox", item.n);
      tell(job && job.id ? job : null);
    } catch (problem) {
      if (comesLater(problem)) {
        pause = Math.max(pause, (problem.wait || 0) * 1000);
        return false;
      }
      await refuse(item, problem.code || "unknown");
    }
  }
  return true;
}

/** Nothing of it can be sent any more: each says why, and what it held (pictures, places) goes. */
export async function giveUp(code) {
  for (const item of await waiting()) if (!item.refused) await refuse(item, code);
}

async function refuse(item, code) {
  if (await get("outbox", item.n)) await put("outbox", { ...item, refused: code, json: undefined, bytes: undefined });
  tell();
}

/** Why the service did not take it. */
export const refusal = (item) => explain(item.refused);

addEventListener("online", sendAll);
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && sendAll());
