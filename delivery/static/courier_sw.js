// The courier's service worker: keeps the page's own files, all of one version, and never an answer of the API.
const VERSION = "{version}";
const FILES = {files};

const NAME = "courier-shell-";
const CACHE = NAME + VERSION;
const PAGE = "/courier";
const PATIENCE_MS = 2_500;
const HEADER = "Courier-Shell";

/** Whether an answer is this version's page: another version would not fit the scripts that are kept. */
const fits = (answer) => answer.ok && !answer.redirected && answer.headers.get(HEADER) === VERSION;

async function install() {
  const cache = await caches.open(CACHE);
  const page = await fetch(PAGE, { cache: "reload" });
  if (!fits(page)) throw new Error("the service has another version by now");
  await cache.put(PAGE, page);
  await Promise.all(
    Object.entries(FILES).map(async ([path, wanted]) => {
      const answer = await fetch(path, { cache: "reload" });
      const digest = await crypto.subtle.digest("SHA-256", await answer.clone().arrayBuffer());
      const found = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
      if (!answer.ok || found !== wanted) throw new Error(`${path} is of another version`);
      await cache.put(path, answer);
    }),
  );
}

/** A half of a version is of no use: the next look tries again. */
async function installWhole() {
  try {
    await install();
  } catch (problem) {
    await caches.delete(CACHE);
    throw problem;
  }
}

async function activate() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(NAME) && name !== CACHE).map((name) => caches.delete(name)));
  await self.clients.claim();
}

/** The page in the reader's language from the network where that is quick and fits, else as it is kept. */
async function page() {
  const cache = await caches.open(CACHE);
  try {
    const answer = await fetch(PAGE, { signal: AbortSignal.timeout(PATIENCE_MS) });
    if (fits(answer)) {
      await cache.put(PAGE, answer.clone());
      return answer;
    }
    // Another version: it is fetched whole beside this one, and used when the person says so.
    self.registration.update().catch(() => undefined);
  } catch {
    // no network
  }
  return (await cache.match(PAGE)) || fetch(PAGE);
}

async function file(path, request) {
  const cache = await caches.open(CACHE);
  return (await cache.match(path)) || fetch(request);
}

self.addEventListener("install", (event) => event.waitUntil(installWhole()));
self.addEventListener("activate", (event) => event.waitUntil(activate()));
self.addEventListener("message", (event) => event.data === "use" && self.skipWaiting());
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== self.location.origin || request.method !== "GET") return;
  if (request.mode === "navigate") {
    if (url.pathname === PAGE) event.respondWith(page());
  } else if (Object.hasOwn(FILES, url.pathname)) event.respondWith(file(url.pathname, request));
});
