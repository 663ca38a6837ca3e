// Keeps a page true: an event is only a signal to look again, and a pill says how fresh the page is.
import { second } from "/static/times.js";

const AGAIN_MS = 5_000;
const TICK_MS = 2_000;
const BEAT_MS = 30_000;

/**
 * Look again at every event of the stream at `url`. Many events at once are one more look; a look that fails
 * makes the pill say how old the page is. EventSource comes back by itself where it left off (Last-Event-ID).
 * `soon`: whether the page waits for something that no event tells of (the lock's last word), so it looks often.
 */
export function follow(url, look, pill, soon) {
  let seen = new Date();
  let connected = false;
  let looking = false;
  let wanted = false;

  function tell(fresh) {
    pill.dataset.state = connected && fresh ? "live" : "old";
    if (connected && fresh) pill.textContent = "live";
    else pill.textContent = connected ? `as of ${second(seen)}` : `reconnecting, as of ${second(seen)}`;
  }

  async function again() {
    wanted = true;
    if (looking) return;
    looking = true;
    while (wanted) {
      wanted = false;
      const fresh = await look().then(
        () => true,
        () => false,
      );
      if (fresh) seen = new Date();
      tell(fresh);
    }
    looking = false;
  }

  function connect() {
    const events = new EventSource(url);
    events.addEventListener("open", () => {
      connected = true;
      again();
    });
    events.addEventListener("error", () => {
      connected = false;
      tell(false);
      if (events.readyState === EventSource.CLOSED) setTimeout(connect, AGAIN_MS);
    });
    events.addEventListener("delivery", again);
  }

  // A stream over a dead network can look open for long: look by ourselves too, and when somebody comes back.
  setInterval(() => {
    if (document.visibilityState === "visible" && (soon() || Date.now() - seen > BEAT_MS)) again();
  }, TICK_MS);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && again());
  addEventListener("online", again);
  addEventListener("offline", () => {
    connected = false;
    tell(false);
  });
  pill.hidden = false;
  tell(false);
  connect();
}
