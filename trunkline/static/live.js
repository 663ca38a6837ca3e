// Keeps a page true: an event is only a signal to look again, and a pill says how fresh the page is.
import { second } from "/static/times.js";
import { t } from "/static/words.js";

const AGAIN_MS = 5_000;
const TICK_MS = 2_000;
const BEAT_MS = 30_000;
const NO_MORE = new Set([401, 403, 404, 410]);

/**
 * Look again at every event of the stream at `url`. Many events at once are one more look; a look that fails
 * makes the pill say how old the page is. EventSource comes back by itself where it left off (Last-Event-ID), and
 * each time it is connected the page looks once more: what happened in between is seen. `look` throws what
 * `requests.js` throws; once the session is over, or this is the reader's to see no more, nothing is asked any more.
 * `soon`: whether the page waits for something that no event tells of (the lock's last word), so it looks often.
 */
export function follow(url, look, pill, soon = () => false) {
  let seen = new Date();
  let connected = false;
  let ever = false;
  let looking = false;
  let wanted = false;
  let over = false;
  let events = null;

  function tell(fresh) {
    const live = connected && fresh;
    pill.dataset.state = live ? "live" : "old";
    if (live) pill.textContent = t("live");
    else if (connected || over) pill.textContent = t("as of {time}", { time: second(seen) });
    else if (ever) pill.textContent = t("reconnecting, as of {time}", { time: second(seen) });
    else pill.textContent = t("connecting, as of {time}", { time: second(seen) });
  }

  async function again() {
    wanted = true;
    if (looking || over) return;
    looking = true;
    while (wanted && !over) {
      wanted = false;
      const fresh = await look().then(
        () => true,
        (problem) => {
          over = NO_MORE.has(problem.status);
          return false;
        },
      );
      if (fresh) seen = new Date();
      tell(fresh);
    }
    looking = false;
    if (over) events.close();
  }

  function heard() {
    [connected, ever] = [true, true];
    again();
  }

  function connect() {
    if (events) events.close();
    if (over) return;
    const mine = new EventSource(url);
    events = mine;
    mine.addEventListener("open", heard);
    mine.addEventListener("error", () => {
      connected = false;
      tell(false);
      if (mine.readyState === EventSource.CLOSED) {
        again();
        setTimeout(() => mine === events && connect(), AGAIN_MS);
      }
    });
    // A stream of one delivery names its events so; a person's own stream does not name them.
    for (const name of ["delivery", "message"]) mine.addEventListener(name, heard);
  }

  // A stream over a dead network can look open for long: look by ourselves too, and when somebody comes back.
  setInterval(() => {
    if (document.visibilityState === "visible" && (soon() || Date.now() - seen > BEAT_MS)) again();
  }, TICK_MS);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && again());
  // What was open before the cut may be dead and not know it: begin anew; the look at its opening leaves no gap.
  addEventListener("online", connect);
  addEventListener("offline", () => {
    connected = false;
    tell(false);
  });
  pill.hidden = false;
  tell(false);
  connect();
}
