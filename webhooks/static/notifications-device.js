// This browser as a device that can be notified: what it is able to, its subscription, its name in a list.
import { ask } from "/static/requests.js";
import { t } from "/static/words.js";

const SUBSCRIBE_MS = 20_000;
const WORKER_MS = 10_000;

/** "yes"; "install": iPhones and iPads notify only apps on the home screen; "no": never in this browser. */
export function able() {
  if ("serviceWorker" in navigator && "PushManager" in window && "Notification" in window) return "yes";
  const apple = /iPad|iPhone|iPod/.test(navigator.userAgent) || (navigator.platform === "MacIntel" && navigator.maxTouchPoints > 1);
  return apple && !navigator.standalone ? "install" : "no";
}

/** "granted", "denied" or "default". */
export const permission = () => Notification.permission;

/** Refused with `words` for the reader, where the browser did not do what it was asked. */
export class NotDone extends Error {}

const policy = window.trustedTypes?.createPolicy("worker", { createScriptURL: () => "/sw.js" });

/** The worker's registration; its script is asked anew at each visit, so a mended one takes over. */
async function worker() {
  const script = policy ? policy.createScriptURL("") : "/sw.js";
  await navigator.serviceWorker.register(script, { scope: "/", updateViaCache: "none" });
  return within(navigator.serviceWorker.ready, WORKER_MS);
}

/** This browser's subscription, or null; one that was made with a former key of ours hears nothing, so it is none. */
export async function subscribed() {
  const registration = await navigator.serviceWorker.getRegistration("/");
  const found = registration ? await registration.pushManager.getSubscription() : null;
  return found && sameKey(found, (await ask("GET", "/v1/push-key")).key) ? found : null;
}

/** SHA-256 of a subscription's endpoint, hex: how the list names this browser. */
export async function fingerprint(subscription) {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(subscription.endpoint));
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Ask the reader, subscribe, and tell the server. `known`: fingerprints the server has of this reader. A subscription
 * that was made for somebody else who used this browser, or with another key, is ended first: theirs is not ours.
 */
export async function turnOn(known) {
  if ((await Notification.requestPermission()) !== "granted")
    throw new NotDone(t("You did not allow it, so nothing was turned on. Press again to be asked again."));
  const { key } = await ask("GET", "/v1/push-key");
  const registration = await worker();
  const before = await registration.pushManager.getSubscription();
  if (before && !(known.has(await fingerprint(before)) && sameKey(before, key))) await before.unsubscribe();
  let made;
  try {
    // In some browsers it never comes to an end, where their push service cannot be reached.
    made = await within(registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key }), SUBSCRIBE_MS);
  } catch {
    throw new NotDone(t("This browser could not reach its push service. Nothing was turned on. Try again, or use another browser."));
  }
  try {
    await ask("POST", "/v1/owner/push-subscriptions", { body: { ...made.toJSON(), name: name() } });
  } catch (problem) {
    if (!problem.unknown) await made.unsubscribe().catch(() => false);
    throw problem;
  }
}

/** No more on this browser; `device`: its id at the server, where it has one. */
export async function turnOff(device) {
  if (device) await ask("DELETE", `/v1/owner/push-subscriptions/${device}`);
  await (await subscribed())?.unsubscribe();
}

function sameKey(subscription, key) {
  const used = subscription.options?.applicationServerKey;
  if (!used) return true;
  const text = btoa(String.fromCharCode(...new Uint8Array(used)));
  return text.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "") === key;
}

/** "Chrome on Android": names of makers, the same in every language; the list says when it was added. */
function name() {
  const agent = navigator.userAgent;
  const browser = [["Edg", "Edge"], ["OPR", "Opera"], ["Firefox", "Firefox"], ["Chrome", "Chrome"], ["Safari", "Safari"]].find(([mark]) => agent.includes(mark));
  const system = [["Android", "Android"], ["iPhone", "iPhone"], ["iPad", "iPad"], ["Windows", "Windows"], ["Mac", "macOS"], ["CrOS", "ChromeOS"], ["Linux", "Linux"]].find(([mark]) => agent.includes(mark));
  return [browser?.[1], system?.[1]].filter(Boolean).join(" · ");
}

function within(promise, ms) {
  let timer;
  const late = new Promise((_, no) => {
    timer = setTimeout(() => no(new Error("too late")), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
