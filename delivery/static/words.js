// A delivery in plain words: how it stands and what happens next, its key's true state, what happened when.
import { moment } from "/static/times.js";

const REFUSALS = {
  busy: "it was busy with another opening",
  refused: "it did not accept what it was shown",
  too_early: "it is too early: the window has not begun",
  expired: "the key's time is over",
  bad_window: "the key's times do not fit",
  revoked: "the key was revoked",
  blocked_by_owner: "you blocked it",
  owner_signature: "your passkey did not sign for this key",
  already_used: "this key opened it once already",
  not_allowed: "this was not allowed",
  vehicle_state: "it is not parked with the ignition off and its doors shut",
  wrong_place: "it does not stand where you agreed",
  clock_untrusted: "it is not sure what time it is",
  stale_trust: "it has not heard from us for too long",
  internal: "something is wrong in the car",
  not_sent: "the request did not reach it in time",
};
const FAILURES = {
  car_not_there: "The courier did not find the car.",
  no_room: "There was no room in the boot.",
  too_big: "The parcel is too big for the boot.",
  unsafe: "The courier did not feel safe there.",
  not_lifted: "The lid was never lifted, so nothing was put in.",
  other: "The courier gave no closer reason.",
};
const HAPPENED = {
  requested: "Ordered by the carrier",
  asked: "You were asked",
  approved: "Approved",
  declined: "Declined",
  expired: "The time for it was over",
  blocked: "Blocked",
  cancelled: "Cancelled by the carrier",
  rescheduled: "Moved to another time",
  courier_assigned: "A courier was named",
  keyed: "Key made",
  en_route: "Courier set out",
  arrived: "Courier at your car",
  opening: "Courier asked the car to open",
  opened: "Opened",
  closed: "Lid shut",
  locked: "Locked",
  delivered: "Done",
  refused: "The car said no",
  unsure: "No answer from the car: the boot may be open",
  left_open: "Lid still up",
  failed: "The courier could not do it",
  photo: "Photo by the courier",
  extended: "More time given",
  place_changed: "Place changed",
  out_of_place: "Car not where it was expected",
  disowned: "You said that this was not you",
  carrier_doubted: "The carrier came twice and opened nothing",
  key_wanted_again: "Courier asked for one more opening",
  parcel_added: "A parcel was added",
  parcel_withdrawn: "A parcel was withdrawn",
  ended: "Over: no key of it can open anything",
};
const AT_THE_BOOT = new Set(["opening", "opened", "refused", "unsure", "left_open", "closed", "locked"]);
const OVER = new Set(["blocked", "expired", "cancelled", "failed", "rescheduled"]);
const DIED = {
  consumed: "used up; it can never open again",
  confirmed_by_car: "destroyed, confirmed by car",
  never_handed_out: "destroyed; it never left our house",
  expired: "dead: its time is over",
  indeterminate: "burnt: the car lost power while it opened",
  lapsed: "never made",
};
const REACH = {
  awake: "can be reached now",
  dozing: "is dozing and answers within some seconds",
  asleep: "is asleep and cannot be opened until it wakes",
  no_coverage: "has no network now and cannot be opened over it",
};

/** The short name of a state, for lists: [words, tone]. */
export function stateName(state) {
  const names = {
    requested: ["ordered", ""],
    asked: ["waits for your answer", "wait"],
    approved: ["approved", "good"],
    keyed: ["approved, key ready", "good"],
    en_route: ["courier on the way", "good"],
    arrived: ["courier at your car", "good"],
    opening: ["being opened", "wait"],
    open: ["boot open", "wait"],
    closed: ["boot shut", "good"],
    delivered: ["done", "good"],
    unsure: ["boot may be open", "bad"],
    left_open: ["car stands open", "bad"],
    declined: ["declined", ""],
    expired: ["time is over", ""],
    blocked: ["blocked", ""],
    cancelled: ["cancelled", ""],
    refused: ["refused by the car", "bad"],
    failed: ["did not work out", "bad"],
    rescheduled: ["moved", ""],
  };
  return names[state] || [state.replaceAll("_", " "), ""];
}

/** How a delivery stands: { title, next, tone }. */
export function standing(read) {
  const happened = new Set(read.timeline.map(([, what]) => what));
  const parcel = read.kind === "pickup" ? "What was in it should be with the carrier." : "Your parcel should be in it.";
  const locked = happened.has("locked");
  const refused = read.refusal ? `The car said no: ${REFUSALS[read.refusal] || read.refusal}. That try opened nothing. ` : "";
  const states = {
    requested: ["This is being prepared", "You are asked in a moment.", ""],
    asked: [
      "Your answer is awaited",
      `Nobody can open your car before you approve. Without an answer by ${read.question ? moment(read.question.expires_at) : "then"} nothing happens.`,
      "wait",
    ],
    approved: ["Approved", "The key is made shortly before the window begins. You can block it until the lock moves.", "good"],
    keyed: ["Approved; the key is ready", "The courier sets out next. You can block it until the lock moves.", "good"],
    en_route: ["The courier is on the way", "You can block it until the lock moves.", "good"],
    arrived: ["The courier is at your car", `${refused}You can block it until the lock moves.`, refused ? "wait" : "good"],
    opening: ["The car is being opened now", "We wait for the car's own answer. Blocking may be too late.", "wait"],
    open: ["The boot is open", "It locks by itself when the lid comes down.", "wait"],
    closed: locked
      ? ["The boot is shut and locked", "The courier says when all is done.", "good"]
      : ["The lid is shut", "We wait for the car to say that it is locked.", "wait"],
    delivered: ["Done", `${locked ? "The boot is shut and locked." : "The lid is shut."} ${parcel}`, "good"],
    unsure: [
      "We cannot tell; the boot may be open",
      "The car did not answer when the courier asked it to open. Have a look if you can. As soon as the car answers, it stands here.",
      "bad",
    ],
    left_open: [
      "Your car stands open",
      "The lid was still up two minutes after the opening. The lock is armed: it shuts when the lid comes down. Have a look if you can.",
      "bad",
    ],
    declined: ["Declined", "Nobody got a key, and nothing is opened.", ""],
    expired: happened.has("approved")
      ? ["The time for it is over", "If you still want it, the carrier has to ask you anew.", ""]
      : ["No answer in time", "Nobody got a key, and nothing is opened. The carrier may ask anew.", ""],
    blocked: ["Blocked", blocked(read.key), read.key.state === "ending" ? "wait" : ""],
    cancelled: ["The carrier cancelled it", "There is nothing to do for you.", ""],
    refused: ["The car refused, for good", `${refused}The carrier has to ask you anew.`, "bad"],
    failed: ["It did not work out", `${FAILURES[read.failure] || "The courier could not do it."} The carrier may ask you for another time.`, "bad"],
    rescheduled: ["Moved to another time", "You are asked for the new time by a mail of its own.", ""],
  };
  const [title, next, tone] = states[read.state] || [stateName(read.state)[0], "", ""];
  if (OVER.has(read.state) && inDoubt(read.timeline))
    return { title, next: `The car never said what happened when it was asked to open; the boot may be open. Have a look if you can. ${next}`, tone: "bad" };
  return { title, next, tone };
}

/** Whether the car owes its word on the last opening: an end does not make that certain. */
function inDoubt(timeline) {
  const last = timeline.map(([, what]) => what).findLast((what) => AT_THE_BOOT.has(what));
  return last === "opening" || last === "unsure";
}

function blocked(key) {
  if (key.state === "none") return "No key was ever made, so nothing can be opened.";
  if (key.state === "destroyed") return `The key is ${DIED[key.how] || "destroyed"}.`;
  return `The car has not confirmed it yet. Until it does, or until ${key.dies_at ? moment(key.dies_at) : "the key's end"}, an opening is still possible if the car is out of reach.`;
}

/** The key's true state. */
export function keyWords(key) {
  const end = key.dies_at ? moment(key.dies_at) : "";
  switch (key.state) {
    case "none":
      return "none";
    case "made":
      return `made for one opening; dies by itself at ${end}`;
    case "ending":
      return `being destroyed, the car has not confirmed it yet; dies by itself at ${end}`;
    default:
      return DIED[key.how] || "destroyed";
  }
}

/** One line of the timeline. */
export function happenedWords(what) {
  const death = /^key destroyed: (.*)$/.exec(what);
  if (death) return `Key ${DIED[death[1].replaceAll(" ", "_")] || "destroyed"}`;
  return HAPPENED[what] || what.replaceAll("_", " ");
}

/** "leave something in the boot". */
export function purpose(kind, opens) {
  const what = kind === "pickup" ? "Fetch something from" : "Leave something in";
  return `${what} ${opens === "cabin" ? "the boot and the cabin" : "the boot"}`;
}

/** Where the car may stand. */
export function placeWords(place) {
  if (place.kind === "anywhere") return "wherever the car stands";
  if (place.kind === "circle") return `within ${place.radius_m} m of the point you chose (${place.centre.join(", ")})`;
  return `inside the area you drew (${place.corners.length} corners)`;
}

/** How the car can be reached now, and whether it stands where it should. */
export function carWords(car, outBy) {
  const parts = [REACH[car.reach] || car.reach.replaceAll("_", " ")];
  if (car.last_seen) parts.push(`last heard ${moment(car.last_seen)}`);
  if (car.wakes_at) parts.push(`wakes ${moment(car.wakes_at)}`);
  if (outBy) parts.push(`stands ${outBy} m outside the place`);
  return parts.join("; ");
}
