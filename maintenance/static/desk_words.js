// The desk's words for what the API names by a code; a code that has none is shown as it is.
import { language, n, t } from "/static/words.js";
import { moment } from "/static/times.js";

const STATES = {
  queued: t("waits for an agent"), leased: t("with an agent"), scheduled: t("comes back by itself"),
  offered: t("with the owner"), booked: t("booked"), unreached: t("nobody was reached"), declined: t("declined"),
  suppressed: t("left alone for a while"), ended: t("closed"),
};
const BARS = {
  calls_off: t("the owner wants no calls"), no_phone: t("no number is known"), calls_used: t("has had all its calls"),
  window: t("not at this hour"), called_today: t("was called today"),
};
const OUTCOMES = {
  booked: t("Booked"), callback_at: t("Call back at that time"), no_answer: t("No answer"), voicemail: t("Left a message"),
  busy: t("Busy"), wrong_number: t("Wrong number"), declined_own_garage: t("Goes to their own garage"),
  declined_not_now: t("Not now"), already_repaired: t("Says it is repaired"), sold_vehicle: t("Says the car is sold"),
  language: t("Speaks that language"), do_not_call: t("Wants no more calls"),
  escalated_supervisor: t("To a supervisor"), emergency: t("Emergency"), unknown: t("nobody told how it ended"),
};
const SYSTEMS = {
  fuel_air: t("Fuel and air"), ignition: t("Ignition"), emissions: t("Exhaust"), engine_control: t("Engine control"),
  transmission: t("Gearbox"), high_voltage: t("Electric drive"), cooling: t("Cooling"), brakes: t("Brakes"),
  steering: t("Steering"), chassis: t("Chassis"), airbag: t("Airbags"), body: t("Body and comfort"),
  network: t("Control units"), electrical: t("Battery and supply"), tyres: t("Tyres"), service: t("Service"),
  vehicle: t("The car"),
};
const LEVELS = { critical: t("critical"), high: t("high"), medium: t("medium"), low: t("low") };
const WHY = {
  released: t("given back by an agent"), lease_expired: t("an agent was gone for too long"), due: t("its time has come"),
  not_taken: t("the owner took no time of a garage"), more_urgent: t("it became more urgent"),
  asked_again: t("they asked for help again"), calls_on: t("the owner asked to be called"),
  slot_lost: t("the booked time was lost"), unheard: t("the garage said nothing"), no_answer: t("there was no answer"),
  voicemail: t("a message was left"), busy: t("the line was busy"), callback_at: t("a call at this time was agreed"),
  language: t("they speak another language"), escalated_supervisor: t("it was given to a supervisor"),
  emergency: t("it is an emergency"), unsure: t("nobody knows whether the boot is shut"),
  left_open: t("the boot was left open"), confirmed: t("the car confirmed the fault"),
};
const DELIVERIES = {
  requested: t("ordered"), asked: t("asked of the owner"), approved: t("approved"), keyed: t("has its key"),
  en_route: t("on its way"), set_out: t("set out"), arrived: t("arrived"), opening: t("opening"), open: t("open"),
  opened: t("opened"), closed: t("closed"), locked: t("locked"), delivered: t("delivered"),
  unsure: t("not certain whether it is shut"), left_open: t("left open"), declined: t("declined"),
  expired: t("expired"), blocked: t("blocked"), cancelled: t("cancelled"), refused: t("refused by the car"),
  failed: t("failed"), rescheduled: t("moved to another time"),
};
const PARTIES = { owner: t("the owner"), courier: t("the courier"), system: t("the system") };
const ROLES = { agent: t("Agent"), supervisor: t("Supervisor") };
const PROBLEMS = {
  "desk.taken": () => t("Somebody else has it. The next best is marked in the list."),
  "desk.empty": () => t("No case waits for you now."),
  "desk.lease_lost": () => t("You do not have this case any more. Nothing was changed."),
  "desk.draft_stale": () => t("It was saved from elsewhere meanwhile."),
  "desk.window_closed": ({ next }) => next
    ? t("They may not be called at this hour; from {time} they may.", { time: moment(next) })
    : t("They may not be called at this hour."),
  "desk.called_today": ({ next }) => next
    ? t("They were called today. From {time} they may be called again.", { time: moment(next) })
    : t("They were called today."),
  "desk.calls_used": () => t("This case has had all its calls."),
  "desk.no_phone": () => t("No number is known that may be called about this."),
  "desk.dial_first": () => t("This is the outcome of a call, and none was made: show the number first."),
  "desk.outcome": () => t("This outcome does not go with this case, or something that it needs is missing."),
  "desk.not_booked": () => t("No visit is booked for this case. Book a time first."),
  "desk.question": () => t("The script has changed. Reload this page; what you wrote is kept."),
  "help.nothing": () => t("This case is about no delivery."),
  "case.not_found": () => t("There is no such case for you."),
  "slot.taken": () => t("Somebody was faster: this time is taken. Choose another."),
  "slot.not_found": () => t("This time is not offered any more. Choose another."),
  "slot.too_soon": () => t("This time is too soon. Choose another."),
  "case.already_booked": () => t("A visit is booked for this case already."),
  "case.booked_too_often": () => t("Visits of this case were booked too often today. Try again tomorrow."),
  "case.not_bookable": () => t("No visit can be booked for this case now."),
};

const plain = (text) => text.replaceAll("_", " ");

/** A code that only the log knows, readable. */
export const plainCode = plain;
const from = (table) => (code) => table[code] || plain(code);

export const stateWords = from(STATES);
export const barWords = from(BARS);
export const outcomeWords = from(OUTCOMES);
export const systemWords = from(SYSTEMS);
export const levelWords = from(LEVELS);
export const whyWords = from(WHY);
export const deliveryWords = from(DELIVERIES);
export const partyWords = from(PARTIES);
export const roleWords = from(ROLES);
export const problemWords = (code, read) => (PROBLEMS[code] ? PROBLEMS[code](read) : "");

/** What a case is called in a list. */
export const name = (what, system, severity) =>
  what === "help" ? t("Help with a delivery") : `${systemWords(system)}, ${levelWords(severity)}`;

/** "bad", "wait" or "": how much a case weighs. */
export const tone = (what, severity) =>
  severity === "critical" || what === "help" ? "bad" : severity === "high" ? "wait" : "";

/** A language as the reader's own language names it. */
export const languageWords = (code) => new Intl.DisplayNames([language], { type: "language" }).of(code);

/** How long something waits, by this browser's clock. */
export function age(since) {
  const minutes = Math.max(0, Math.floor((Date.now() - new Date(since)) / 60_000));
  if (minutes < 1) return t("less than a minute");
  if (minutes < 120) return t("{count} min", { count: minutes });
  if (minutes < 2880) return t("{count} h", { count: Math.floor(minutes / 60) });
  return n("{count} day", "{count} days", Math.floor(minutes / 1440));
}

/** 1:05, of seconds. */
export const clockOf = (seconds) => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;

const SEVERITY_BY = {
  vehicle: t("The car itself said how urgent it is."),
  maker: t("The maker said how urgent it is."),
  category: t("How urgent it is follows from the kind of code."),
};

/** Who says how urgent a code is: `vehicle`, `maker`, `category`, or `rule:` with the codes it is for. */
export function severityWords(source) {
  if (SEVERITY_BY[source]) return SEVERITY_BY[source];
  return t("Our own rule sets how urgent it is ({codes}).", { codes: source.replace(/^rule:/, "") });
}

const HOURS = {
  owner: t("the owner's own hours"),
  default: t("our own default: 9 to 20, Monday to Saturday"),
  FR: t("Code de la consommation, article D. 223-9 (décret 2022-1313): Monday to Friday, 10 to 13 and 14 to 20, not on public holidays"),
  NO: t("markedsføringsloven § 14: not on Saturdays or public holidays, not before 9 or after 21; our own end at 20 is earlier"),
  ES: t("Ley General para la Defensa de los Consumidores y Usuarios, artículo 96.2: not on weekends or public holidays, not before 9 or after 21; our own end at 20 is earlier"),
  IT: t("Codice di condotta per il telemarketing (Garante per la protezione dei dati personali, 2024): 9 to 20, Saturdays and days before public holidays 10 to 19, never on Sundays or public holidays"),
};

/** Whose hours of calling these are: `owner`, `default`, or the country whose law or code of conduct says so. */
export const hoursWords = from(HOURS);
