// The desk's words for what the API names.
const STATES = {
  queued: "waits for an agent", leased: "with an agent", scheduled: "comes back by itself", offered: "with the owner",
  booked: "booked", unreached: "nobody was reached", declined: "declined", suppressed: "left alone for a while",
  ended: "closed",
};
const BARS = {
  calls_off: "the owner wants no calls", no_phone: "no number is known", calls_used: "has had all its calls",
  window: "not at this hour", called_today: "was called today",
};
const OUTCOMES = {
  booked: "Booked", callback_at: "Call back at that time", no_answer: "No answer", voicemail: "Left a message",
  busy: "Busy", wrong_number: "Wrong number", declined_own_garage: "Goes to their own garage",
  declined_not_now: "Not now", already_repaired: "Says it is repaired", sold_vehicle: "Says the car is sold",
  language: "Speaks that language", do_not_call: "Wants no more calls", escalated_supervisor: "To a supervisor",
  emergency: "Emergency", unknown: "nobody told how it ended",
};
const KEYS = {
  booked: "b", callback_at: "c", no_answer: "n", voicemail: "v", busy: "y", wrong_number: "w",
  declined_own_garage: "g", declined_not_now: "l", already_repaired: "r", sold_vehicle: "s", language: "x",
  do_not_call: "d", escalated_supervisor: "u", emergency: "e",
};

const plain = (text) => text.replaceAll("_", " ");

export const stateWords = (state) => STATES[state] || plain(state);
export const barWords = (bar) => BARS[bar] || plain(bar);
export const outcomeWords = (outcome) => OUTCOMES[outcome] || plain(outcome);
export const outcomeKey = (outcome) => KEYS[outcome];
export const name = (what, system, severity) =>
  what === "help" ? "Help with a delivery" : `${plain(system)}, ${severity}`;

/** How long something waits, by this browser's clock. */
export function age(since) {
  const minutes = Math.max(0, Math.floor((Date.now() - new Date(since)) / 60_000));
  if (minutes < 1) return "less than a minute";
  if (minutes < 120) return `${minutes} min`;
  return minutes < 2880 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} days`;
}

export { plain };
