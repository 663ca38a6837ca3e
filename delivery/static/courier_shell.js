// Keeps the page itself on the phone by a service worker, and changes to a newer one only when nothing is under way.
const WORKER = "/courier/sw.js";
/** A page that stays open for days asks by itself, when somebody comes back to it. */
const AGAIN_MS = 60 * 60_000;

// The policy allows this one address and nothing else: the page's CSP names no other.
const policy = globalThis.trustedTypes?.createPolicy("courier-worker", {
  createScriptURL: (url) => {
    if (url !== WORKER) throw new TypeError("only the courier's worker");
    return url;
  },
});

/** `notice` and `button` offer a newer version; one that is there when the page begins is used at once if `idle()`. */
export async function keepShell(notice, button, idle) {
  if (!("serviceWorker" in navigator)) return;
  let asked = false;
  const use = (worker) => {
    asked = true;
    worker.postMessage("use");
  };
  navigator.serviceWorker.addEventListener("controllerchange", () => asked && location.reload());
  const registration = await navigator.serviceWorker
    .register(policy ? policy.createScriptURL(WORKER) : WORKER, { scope: "/courier", updateViaCache: "none" })
    .catch(() => null);
  if (!registration) return;
  const offer = () => {
    const { waiting } = registration;
    if (waiting && navigator.serviceWorker.controller) notice.hidden = false;
  };
  button.addEventListener("click", () => registration.waiting && use(registration.waiting));
  if (registration.waiting && navigator.serviceWorker.controller && idle()) use(registration.waiting);
  registration.addEventListener("updatefound", () => registration.installing?.addEventListener("statechange", offer));
  let lookedAt = Date.now();
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "visible" || Date.now() - lookedAt < AGAIN_MS) return;
    lookedAt = Date.now();
    registration.update().catch(() => undefined);
  });
  offer();
}
