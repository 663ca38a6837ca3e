// The way to the demo behind this page: the printed link lets this browser in, then it may act and listen.
import { t } from "/static/words.js";

/** What the demo said no to; `status` 401: this browser has no key, 503: nothing answers. */
export class No extends Error {
  constructor(words, status) {
    super(words);
    this.status = status;
  }
}

const WORDS = {
  "stage.link": t("This link was used before. The terminal of the demo shows a fresh one."),
  "stage.not_now": t("That does not fit now. Nothing was done."),
  "stage.car_gone": t("The simulated car does not run any more. Start the demo again."),
  "stage.dark": t("The demo does not answer. Is it still running in your terminal?"),
};

async function post(path, body) {
  let answer;
  let read = {};
  try {
    answer = await fetch(`/stage${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify(body),
    });
    read = await answer.json();
  } catch {
    if (!answer) throw new No(WORDS["stage.dark"], 503);
  }
  if (answer.ok) return read;
  throw new No(WORDS[read.code] || read.detail || t("That did not work now. Try again."), answer.status);
}

/** Use the printed link up. */
export const start = (token) => post("/start", { token });

/** Sign owner and agent in, in this browser. */
export const enter = () => post("/enter", {});

/** A hand on the stage; gives what came of it. */
export async function act(name, more = {}) {
  return await post("/act", { act: name, ...more });
}

/** Listen; `heard(name, data, past)` for each event, `past` for what was said before the page looked. */
export function listen(heard) {
  const events = new EventSource("/stage/events");
  let past = true;
  for (const name of ["car", "scene", "said", "mail", "caught_up"])
    events.addEventListener(name, (event) => {
      if (name === "caught_up") past = false;
      heard(name, JSON.parse(event.data), past);
    });
  events.addEventListener("error", () => {
    // It went on where it left off by itself, unless the answer was no.
    if (events.readyState === EventSource.CLOSED) heard("gone", {}, false);
  });
}
