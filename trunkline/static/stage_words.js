// What car and service said, in a newcomer's words: one text for each kind of fact. Times are those of who said it.
import { t } from "/static/words.js";

const CAR = "car";
const SERVICE = "service";
const REFUSED = {
  blocked_by_owner: t("The car says no: its owner has blocked deliveries. Nothing was opened."),
  revoked: t("The car says no: this key was taken back. Nothing was opened."),
  vehicle_state: t("The car says no: it is not parked with the ignition off. Nothing was opened."),
};

const SAID = {
  "delivery.requested": () => [SERVICE, t("The shop's carrier asks to put a parcel into Ada's car. It knows an address, not the car.")],
  "delivery.asked": () => [SERVICE, t("Ada is asked. Nobody can open anything yet.")],
  "delivery.approved": () => [SERVICE, t("Ada says yes. Exactly what she saw is kept, so that nobody can claim another yes.")],
  "delivery.declined": () => [SERVICE, t("Ada says no. There is no key.")],
  "delivery.blocked": () => [SERVICE, t("Ada blocks it. The key is taken back.")],
  "delivery.expired": () => [SERVICE, t("Nobody came in time. There is no key any more.")],
  "delivery.en_route": () => [SERVICE, t("Kim sets out.")],
  "delivery.arrived": () => [SERVICE, t("Kim is at the car.")],
  "delivery.opening": () => [SERVICE, t("Key and signature are on their way to the car.")],
  "delivery.refused": () => null,
  "delivery.unsure": () => [SERVICE, t("The car gave no answer. It may have opened: somebody has to look.")],
  "delivery.photo": () => [SERVICE, t("A photo of the parcel is kept with the delivery.")],
  "delivery.delivered": () => [SERVICE, t("Delivered. Ada has a file that proves every step.")],
  "delivery.failed": () => [SERVICE, t("Kim says that it cannot be done.")],
  "key.signed": () => [SERVICE, t("One key is made: for this car, for Kim's phone, for one opening in these two hours.")],
  "key.handed_out": () => [SERVICE, t("Kim's phone has the key. Alone it opens nothing: the phone has to sign, too.")],
  "key.revoked": () => [SERVICE, t("The key is taken back. The car is being told.")],
  "revocation.confirmed": () => [CAR, t("I know that the key was taken back.")],
  "key.consumed": () => [CAR, t("I checked key and signature by myself. They are good, and the key is used up now.")],
  "key.refused": ({ code }) => [CAR, REFUSED[code] || t("I say no ({code}). Nothing was opened.", { code })],
  "key.destroyed": () => [SERVICE, t("The key is destroyed. It can never open anything again.")],
  "boot.opened": () => [CAR, t("The latch is open. Here is my signed receipt.")],
  "boot.not_lifted": () => [CAR, t("Nobody lifted the lid. I locked it again.")],
  "boot.closed": () => [CAR, t("The lid is down.")],
  "boot.locked": () => [CAR, t("Locked. That is my last receipt for this key.")],
  "boot.left_open": () => [CAR, t("My lid is still up!")],
  "vehicle.presence_changed": ({ presence }) =>
    presence === "offline" ? [SERVICE, t("The car is not heard any more.")] : [CAR, t("I am on the network.")],
  "vehicle.signal_changed": ({ value }) => [CAR, t("My front brake pad is worn to {value} percent.", { value })],
  "case.opened": () => [SERVICE, t("A case is opened for the brakes. Ada is told in plain words.")],
  "trigger.queued": () => [SERVICE, t("The case is on the agents' list.")],
  "trigger.leased": () => [SERVICE, t("Noor takes the case. Nobody else can have it meanwhile.")],
  "trigger.booked": () => [SERVICE, t("A visit at the garage is booked.")],
  "trigger.scheduled": () => [SERVICE, t("The case comes back to the list later.")],
  "trigger.declined": () => [SERVICE, t("Ada wants no help with it now.")],
  "trigger.ended": () => [SERVICE, t("The case is closed.")],
  "case.called": () => [SERVICE, t("Noor looks up the number and calls Ada.")],
};

const COMMANDS = {
  "command.sent challenge": () => [SERVICE, t("The car is asked for a number that nobody used before.")],
  "command.done challenge": () => [CAR, t("Here is my number. Whoever opens has to sign it within seconds.")],
  "command.done flash": () => [CAR, t("My lights flash.")],
  "command.done lock": () => [CAR, t("I am locked.")],
};

/** `{ who, text }` of one thing that was said; null for what a newcomer needs not hear. */
export function worded(said) {
  const one = SAID[said.kind] || COMMANDS[`${said.kind} ${said.op}`];
  const found = one ? one(said) : null;
  return found && { who: found[0], text: found[1] };
}

/** The name of who said it. */
export const speaker = (who) => (who === CAR ? t("Car") : t("Our service"));
