// Shows what is pushed to this browser, and opens its page on a click. It keeps no page and no answer (no fetch
// handler): nothing of anybody's account lies in a cache, and a new version of it can take over at once.
const OURS = /^\/(?!\/)[\x21-\x5b\x5d-\x7e]*$/; // a path on this site, without a backslash that a URL would turn into a slash
const PLAIN = { title: "Trunkline", body: "", tag: "trunkline", url: "/", at: 0, silent: false, lang: "en" };

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("push", (event) => event.waitUntil(show(read(event.data))));
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data?.url));
});

/** What was pushed. A browser wants a notification for each push, so what cannot be read says at least who wrote. */
function read(data) {
  try {
    const said = { ...PLAIN, ...data.json() };
    return { ...said, url: OURS.test(said.url) ? said.url : "/" };
  } catch {
    return PLAIN;
  }
}

/** The newer of two about the same stays on the screen, in whatever order they came. */
async function show(said) {
  const [there] = await self.registration.getNotifications({ tag: said.tag });
  const older = there && there.data && there.data.at > said.at;
  if (older) said = { ...there.data, silent: true };
  await self.registration.showNotification(said.title, {
    body: said.body,
    tag: said.tag,
    renotify: !said.silent,
    silent: said.silent,
    lang: said.lang,
    timestamp: said.at || Date.now(),
    icon: "/static/icon-192.png",
    badge: "/static/icon-badge.png",
    data: said,
  });
}

/** The tab that shows the page already, else a new one: what somebody types in another tab stays as it is. */
async function open(url) {
  const path = OURS.test(url) ? url : "/";
  const tabs = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const there = tabs.find((tab) => new URL(tab.url).pathname === path);
  if (there) return there.focus();
  return self.clients.openWindow(path);
}
