// What comes next in a job: from its state, what waits to be sent, and what was done on this phone. Pure.
import { carWords } from "/courier/problems.js";
import { beside } from "/static/times.js";
import { t } from "/static/words.js";

/** States in which the car is at work, so that the page looks often. */
export const AT_WORK = new Set(["opening", "open", "closed", "left_open"]);

const OVER = {
  delivered: () => [t("Done"), t("Thank you. There is nothing more to do here."), "good"],
  failed: () => [t("Not delivered"), t("You said that it cannot be done. Take the parcel back."), ""],
  blocked: () => [t("Blocked by the owner"), t("This car cannot be opened any more. Ask your dispatch."), "bad"],
  cancelled: () => [t("Cancelled"), t("Your dispatch has cancelled this job."), ""],
  expired: () => [t("Too late"), t("The time agreed with the owner is over. Ask your dispatch."), "bad"],
  rescheduled: () => [t("Moved to another time"), t("Your dispatch has moved this job."), ""],
  refused: () => [t("The car said no for good"), t("Nothing was opened. Ask your dispatch."), "bad"],
};

/**
 * `{ title, next, tone, act }`. `act`: the one thing to do now (`set_out`, `arrived`, `open`, `nearby`, `photo`, `done`, `lock`, `list`) or "".
 * `queued`: names of what waits to be sent. `taken`: a photo was taken. `again`: the position has to be said once more.
 * `wanted`: one more opening was asked for. `key`: the delivery key is on the phone. `nearby`: the car is connected by Bluetooth.
 */
export function step(job, { queued, taken, again, wanted, key, nearby }) {
  const makes = wanted && (job.state === "closed" || job.state === "unsure");
  const [title, next, tone, act] = makes
    ? [t("Once more"), t("A new key is being made for this phone. Wait a moment."), "wait", ""]
    : told(job, queued, taken || queued.has("photo"), again, key, nearby);
  return { title, next, tone, act };
}

function told(job, queued, taken, again, key, nearby) {
  if (job.sees === "over") {
    const [title, next, tone] = (OVER[job.state] || (() => [t("Over"), t("There is nothing more to do here."), ""]))();
    return [title, job.fallback ? t("The owner named another place for the parcel: take it there.") : next, tone, "list"];
  }
  if (queued.has("fail")) return [t("Cannot be done"), t("This waits to be sent. You may go on."), "wait", ""];
  if (queued.has("done")) return [t("Done"), t("This waits to be sent. You may go on."), "wait", ""];
  const here = job.state === "arrived" || (job.state === "en_route" && queued.has("arrived"));
  if (here && key && nearby) return [t("At the car, by Bluetooth"), t("Hold the button until the boot opens."), "good", "nearby"];
  switch (job.state) {
    case "approved":
      return [t("Approved"), t("The key comes before the time begins. Nothing to do yet."), "", ""];
    case "keyed":
      return [t("Ready"), t("Say when you set out: then we look whether the car can be reached."), "", "set_out"];
    case "en_route":
      if (queued.has("arrived")) return [t("You are here"), t("This waits to be sent: the car opens over the network only after that."), "wait", ""];
      return [t("On your way"), t("At the car, say that you are here."), "", "arrived"];
    case "arrived":
      return arrived(job, again, key);
    case "opening":
      return [t("Asking the car…"), t("It says at once what it does."), "wait", ""];
    case "open":
      if (taken) return [t("Open"), t("Shut the lid. The car locks by itself."), "good", ""];
      return [t("Open"), t("Put the parcel in and take a photo. Then shut the lid."), "good", "photo"];
    case "left_open":
      return [t("The lid is still up"), t("Shut it, then lock."), "bad", "lock"];
    case "closed":
      if (taken) return [t("Shut"), t("The car is locking. Then this job is done."), "good", job.can.includes("done") ? "done" : ""];
      return [t("Shut"), t("Take a photo, or say that it is done."), "good", "photo"];
    case "unsure":
      return [t("The boot may be open"), t("The car gave no answer. Look at the boot: shut it if it is open."), "bad", key ? "open" : ""];
    default:
      return [t("Wait"), "", "", ""];
  }
}

function arrived(job, again, key) {
  if (again) return [t("Where are you?"), t("Your position is too old. Say again that you are here."), "wait", "arrived"];
  if (!key) return [t("You are here"), t("The key is on its way to this phone."), "wait", ""];
  if (job.refusal) return [t("The car said no. Nothing was opened."), carWords(job.refusal) || job.refusal, "bad", "open"];
  return [t("You are here"), t("Hold the button until the boot opens."), "good", "open"];
}

const STATES = {
  approved: t("approved"),
  keyed: t("ready"),
  en_route: t("on your way"),
  arrived: t("you are here"),
  opening: t("being opened"),
  open: t("boot open"),
  left_open: t("lid still up"),
  closed: t("boot shut"),
  unsure: t("boot may be open"),
};

/** The short name of a state, for the list. */
export const stateName = (state) => STATES[state] || t("over");

const REACH = {
  awake: t("can be reached now"),
  dozing: t("is dozing and answers within some seconds"),
  asleep: t("is asleep"),
  no_coverage: t("has no network now"),
};

/** How the car can be reached. `zone`: of the car. */
export function reachWords({ reach, wakes_at: wakes }, zone) {
  if (reach === "asleep" && wakes) return t("is asleep until about {time}", { time: beside(wakes, zone) });
  return REACH[reach] || "";
}
