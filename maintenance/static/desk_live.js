// Keeps the desk true: an event of the stream only says "look again"; where none can come we look by ourselves.
import { second } from "/static/times.js";
import { t } from "/static/words.js";

const AGAIN_MS = 5_000;
const QUIET_MS = 15_000;
const TICK_MS = 3_000;

/**
 * Call `look` at every signal, when somebody comes back to the page, and every 15 s in between. Signals that come
 * while one look runs are one more look. EventSource goes on where it left off by itself (Last-Event-ID).
 * Gives a function that looks now.
 */
export function keepLooking(url, look, pill) {
  let seen = new Date();
  let tried = Date.now();
  let connected = false;
  let fresh = false;
  let looking = false;
  let wanted = false;

  function tell() {
    pill.hidden = false;
    pill.dataset.state = connected && fresh ? "live" : "old";
    if (connected && fresh) pill.textContent = t("live");
    else if (fresh) pill.textContent = t("as of {time}", { time: second(seen) });
    else pill.textContent = t("reconnecting, as of {time}", { time: second(seen) });
  }

  async function again() {
    wanted = true;
    if (looking || document.visibilityState !== "visible") return;
    looking = true;
    while (wanted) {
      wanted = false;
      tried = Date.now();
      fresh = await look().then(() => true, () => false);
      if (fresh) seen = new Date();
      tell();
    }
    looking = false;
  }

  function connect() {
    const events = new EventSource(url);
    events.addEventListener("open", () => {
      connected = true;
      tell();
    });
    events.addEventListener("error", () => {
      connected = false;
      tell();
      if (events.readyState === EventSource.CLOSED) setTimeout(connect, AGAIN_MS);
    });
    events.addEventListener("desk", again);
  }

  setInterval(() => {
    if (wanted || Date.now() - tried > QUIET_MS) again();
  }, TICK_MS);
  document.addEventListener("visibilitychange", again);
  addEventListener("online", again);
  tell();
  connect();
  again();
  return again;
}
