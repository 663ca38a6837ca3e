// A delivery in plain words: how it stands and what happens next, its key's true state, what happened when.
import { beside, moment } from "/static/times.js";
import { n, t } from "/static/words.js";

const REFUSALS = {
  busy: t("The car said no: it was busy with another opening."),
  refused: t("The car said no: it did not accept what it was shown."),
  too_early: t("The car said no: it is too early, the window has not begun."),
  expired: t("The car said no: the key's time is over."),
  bad_window: t("The car said no: the key's times do not fit."),
  revoked: t("The car said no: the key was revoked."),
  blocked_by_owner: t("The car said no: you blocked it."),
  owner_signature: t("The car said no: your passkey did not sign for this key."),
  already_used: t("The car said no: this key opened it once already."),
  not_allowed: t("The car said no: this was not allowed."),
  vehicle_state: t("The car said no: it is not parked with the ignition off and its doors shut."),
  wrong_place: t("The car said no: it does not stand where you agreed."),
  clock_untrusted: t("The car said no: it is not sure what time it is."),
  stale_trust: t("The car said no: it has not heard from us for too long."),
  internal: t("The car said no: something is wrong in the car."),
  not_sent: t("The request did not reach the car in time."),
};
const FAILURES = {
  car_not_there: t("The courier did not find the car."),
  car_unreachable: t("The car could not be reached, so the courier did not set out."),
  no_room: t("There was no room in the boot."),
  too_big: t("The parcel is too big for the boot."),
  unsafe: t("The courier did not feel safe there."),
  not_lifted: t("The lid was never lifted, so nothing was put in."),
  other: t("The courier gave no closer reason."),
};
const HAPPENED = {
  requested: t("Ordered by the carrier"),
  asked: t("You were asked"),
  approved: t("Approved"),
  declined: t("Declined"),
  expired: t("The time for it was over"),
  blocked: t("Block requested"),
  cancelled: t("Cancelled by the carrier"),
  rescheduled: t("Moved to another time"),
  courier_assigned: t("A courier was named"),
  keyed: t("Key made"),
  en_route: t("Courier set out"),
  arrived: t("Courier at your car"),
  opening: t("Courier asked the car to open"),
  opened: t("Opened"),
  closed: t("Lid shut"),
  locked: t("Locked"),
  delivered: t("Done"),
  refused: t("The car said no"),
  unsure: t("No answer from the car: the boot may be open"),
  left_open: t("Lid still up"),
  failed: t("The courier could not do it"),
  photo: t("Photo by the courier"),
  fallback_seen: t("The fallback place was read by the carrier"),
  extended: t("More time given"),
  place_changed: t("Place changed"),
  out_of_place: t("Car not where it was expected"),
  disowned: t("You said that this was not you"),
  carrier_doubted: t("The carrier came twice and opened nothing"),
  key_wanted_again: t("Courier asked for one more opening"),
  parcel_added: t("A parcel was added"),
  parcel_withdrawn: t("A parcel was withdrawn"),
  ended: t("Over: no key of it can open anything"),
};
const AT_THE_BOOT = new Set(["opening", "opened", "refused", "unsure", "left_open", "closed", "locked"]);
const OVER = new Set(["blocked", "expired", "cancelled", "failed", "rescheduled"]);
/** How a key died, as the car's page says it of the key. */
const DIED = {
  consumed: t("used up; it can never open again"),
  confirmed_by_car: t("destroyed, confirmed by car"),
  never_handed_out: t("destroyed; it never left our house"),
  expired: t("dead: its time is over"),
  indeterminate: t("burnt: the car lost power while it opened"),
  lapsed: t("never made"),
};
/** The same as an event of the timeline. */
const DEATHS = {
  consumed: t("Key used up: it can never open again"),
  confirmed_by_car: t("Key destroyed, confirmed by car"),
  never_handed_out: t("Key destroyed: it never left our house"),
  expired: t("Key dead: its time is over"),
  indeterminate: t("Key burnt: the car lost power while it opened"),
  lapsed: t("Key never made"),
};
const REACH = {
  awake: t("can be reached now"),
  dozing: t("is dozing and answers within some seconds"),
  asleep: t("is asleep and cannot be opened until it wakes"),
  no_coverage: t("has no network now and cannot be opened over it"),
};
const NAMES = {
  requested: [t("ordered"), ""],
  asked: [t("waits for your answer"), "wait"],
  approved: [t("approved"), "good"],
  keyed: [t("approved, key ready"), "good"],
  en_route: [t("courier on the way"), "good"],
  arrived: [t("courier at your car"), "good"],
  opening: [t("being opened"), "wait"],
  open: [t("boot open"), "wait"],
  closed: [t("boot shut"), "good"],
  delivered: [t("done"), "good"],
  unsure: [t("boot may be open"), "bad"],
  left_open: [t("car stands open"), "bad"],
  declined: [t("declined"), ""],
  expired: [t("time is over"), ""],
  blocked: [t("blocked"), ""],
  cancelled: [t("cancelled"), ""],
  refused: [t("refused by the car"), "bad"],
  failed: [t("did not work out"), "bad"],
  rescheduled: [t("moved"), ""],
};
const CAN_BLOCK = t("You can block it until the lock moves.");
const ANEW = t("If you still want it, the carrier has to ask you anew.");
const UNTRIED = t("That try opened nothing.");

/** The short name of a state, for lists: [words, tone]. */
export function stateName(state) {
  return NAMES[state] || [state.replaceAll("_", " "), ""];
}

/** The name of a delivery: whose it is, and whether something comes or goes. */
export function deliveryTitle(read) {
  const carrier = read.carrier_name;
  return read.kind === "pickup" ? t("{carrier}: pickup", { carrier }) : t("{carrier}: delivery", { carrier });
}

/** The question itself: "May Parcel Post deliver into your car?" */
export function questionTitle(kind, carrier) {
  return kind === "pickup"
    ? t("May {carrier} fetch something from your car?", { carrier })
    : t("May {carrier} deliver into your car?", { carrier });
}

const DONE = ["delivered", "declined", "expired", "blocked", "cancelled", "refused", "failed", "rescheduled"];

/** Whether a key may still open the car though its delivery is over: its end is asked for, and not known yet. */
export function keyIsDying(read) {
  return read.key.state === "ending" || (read.key.state === "made" && DONE.includes(read.state));
}

/** Whether it is over for its people: nothing of it can open the car any more, or nothing ever could. */
export function isPast(read) {
  return read.ended !== null || (DONE.includes(read.state) && !keyIsDying(read));
}

/** How a delivery stands: { title, next, tone }. */
export function standing(read) {
  const happened = new Set(read.timeline.map(([, what]) => what));
  const parcel = read.kind === "pickup" ? t("What was in it should be with the carrier.") : t("Your parcel should be in it.");
  const locked = happened.has("locked");
  const shut = locked ? t("The boot is shut and locked.") : t("The lid is shut.");
  const no = read.refusal ? `${REFUSALS[read.refusal] || REFUSALS.refused} ${UNTRIED} ` : "";
  const states = {
    requested: [t("This is being prepared"), t("You are asked in a moment."), ""],
    asked: [t("Your answer is awaited"), awaited(read.question, read.zone), "wait"],
    approved: [t("Approved"), `${t("The key is made shortly before the window begins.")} ${CAN_BLOCK}`, "good"],
    keyed: [t("Approved; the key is ready"), `${t("The courier sets out next.")} ${CAN_BLOCK}`, "good"],
    en_route: [t("The courier is on the way"), CAN_BLOCK, "good"],
    arrived: [t("The courier is at your car"), `${no}${CAN_BLOCK}`, no ? "wait" : "good"],
    opening: [t("The car is being opened now"), t("We wait for the car's own answer. Blocking may be too late."), "wait"],
    open: [t("The boot is open"), t("It locks by itself when the lid comes down."), "wait"],
    closed: locked
      ? [t("The boot is shut and locked"), t("The courier says when all is done."), "good"]
      : [t("The lid is shut"), t("We wait for the car to say that it is locked."), "wait"],
    delivered: [t("Done"), `${shut} ${parcel}`, "good"],
    unsure: [
      t("We cannot tell; the boot may be open"),
      t("The car did not answer when the courier asked it to open. Have a look if you can. As soon as the car answers, it stands here."),
      "bad",
    ],
    left_open: [
      t("Your car stands open"),
      t("The lid was still up two minutes after the opening. The lock is armed: it shuts when the lid comes down. Have a look if you can."),
      "bad",
    ],
    declined: [t("Declined"), t("Nobody got a key, and nothing is opened."), ""],
    expired: happened.has("approved")
      ? [t("The time for it is over"), ANEW, ""]
      : [t("No answer in time"), t("Nobody got a key, and nothing is opened. The carrier may ask anew."), ""],
    blocked: [blockedTitle(read), blocked(read.key, read.zone), keyIsDying(read) ? "wait" : ""],
    cancelled: [t("The carrier cancelled it"), t("There is nothing to do for you."), ""],
    refused: [t("The car refused, for good"), `${no}${ANEW}`, "bad"],
    failed: [t("It did not work out"), `${FAILURES[read.failure] || FAILURES.other} ${t("The carrier may ask you for another time.")}`, "bad"],
    rescheduled: [t("Moved to another time"), t("You are asked for the new time by a mail of its own."), ""],
  };
  const [title, next, tone] = states[read.state] || [stateName(read.state)[0], "", ""];
  if (OVER.has(read.state) && inDoubt(read.timeline)) {
    const doubt = t("The car never said what happened when it was asked to open; the boot may be open. Have a look if you can.");
    return { title, next: `${doubt} ${next}`, tone: "bad" };
  }
  return { title, next, tone };
}

function awaited(question, zone) {
  const nobody = t("Nobody can open your car before you approve.");
  if (!question) return nobody;
  return `${nobody} ${t("Without an answer by {time} nothing happens.", { time: moment(question.expires_at, zone) })}`;
}

/** Whether the car owes its word on the last opening: an end does not make that certain. */
function inDoubt(timeline) {
  const last = timeline.map(([, what]) => what).findLast((what) => AT_THE_BOOT.has(what));
  return last === "opening" || last === "unsure";
}

function blockedTitle(read) {
  if (keyIsDying(read)) return t("Block requested; the car has not confirmed it yet");
  if (read.key.state === "destroyed" && read.key.how === "confirmed_by_car") return t("Blocked, confirmed by car");
  return t("Blocked");
}

function blocked(key, zone) {
  if (key.state === "none") return t("No key was ever made, so nothing can be opened.");
  if (key.state === "destroyed") return t("No key of it can open your car any more.");
  if (!key.dies_at) return t("Until the car confirms it, an opening is still possible if the car is out of reach.");
  return t("Until the car confirms it, or until {time}, an opening is still possible if the car is out of reach.", { time: moment(key.dies_at, zone) });
}

/** The key's true state, beside the window that names the zone. `zone`: of the car. */
export function keyWords(key, zone) {
  const time = key.dies_at ? beside(key.dies_at, zone) : "";
  switch (key.state) {
    case "none":
      return t("none");
    case "made":
      return t("made for one opening; dies by itself at {time}", { time });
    case "ending":
      return t("being destroyed, the car has not confirmed it yet; dies by itself at {time}", { time });
    default:
      return DIED[key.how] || t("destroyed");
  }
}

/** One line of the timeline. */
export function happenedWords(what) {
  const death = /^key destroyed: (.*)$/.exec(what);
  if (death) return DEATHS[death[1].replaceAll(" ", "_")] || t("Key destroyed");
  return HAPPENED[what] || what.replaceAll("_", " ");
}

/** "Leave something in the boot", with how many parcels where that is known. */
export function purpose(kind, opens, parcels = 1) {
  const cabin = opens === "cabin";
  const fetch = cabin ? t("Fetch something from the boot and the cabin") : t("Fetch something from the boot");
  const leave = cabin ? t("Leave something in the boot and the cabin") : t("Leave something in the boot");
  const what = kind === "pickup" ? fetch : leave;
  return parcels > 1 ? t("{what} ({parcels})", { what, parcels: n("{count} parcel", "{count} parcels", parcels) }) : what;
}

/** Where the car may stand. */
export function placeWords(place) {
  if (place.kind === "anywhere") return t("wherever the car stands");
  if (place.kind === "circle")
    return t("within {metres} m of the point you chose ({point})", { metres: place.radius_m, point: place.centre.join(", ") });
  return n("inside the area you drew ({count} corner)", "inside the area you drew ({count} corners)", place.corners.length);
}

/** How the car can be reached now, and whether it stands where it should. `zone`: of the car. */
export function carWords(car, outBy, zone) {
  const parts = [REACH[car.reach] || car.reach.replaceAll("_", " ")];
  if (car.last_seen) parts.push(t("last heard {time}", { time: beside(car.last_seen, zone) }));
  if (car.wakes_at) parts.push(t("wakes {time}", { time: beside(car.wakes_at, zone) }));
  if (outBy) parts.push(t("stands {metres} m outside the place", { metres: outBy }));
  return parts.join("; ");
}
