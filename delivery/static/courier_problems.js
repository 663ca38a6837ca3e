// Why something was not done, in plain words with what to do: the service's codes, and the car's.
import { t } from "/static/words.js";

const PROBLEMS = {
  network: t("No network. Nothing was sent."),
  "rate.limited": t("That was too often. Wait a moment, then try again."),
  "code.refused": t("This code is not right, was used, or is older than ten minutes. Ask your dispatch for a new one."),
  "device.proof": t("This phone's clock is wrong. Set it to automatic, then try again."),
  "device.taken": t("This phone was enrolled before. Ask your dispatch for a new code and try again."),
  "device.unknown": t("This phone is not enrolled any more. Ask your dispatch for a new code."),
  "delivery.not_found": t("This job is not yours any more. Ask your dispatch."),
  "delivery.not_in_this_state": t("The job has moved on meanwhile, so this was not done. This page shows how it stands now."),
  "delivery.no_key": t("There is no key for this phone yet. Wait a moment, then try again."),
  "delivery.again_too_late": t("There is no further opening for this job. Ask your dispatch."),
  "delivery.test_only": t("This is a test job: no real car takes part."),
  "key.not_signed_yet": t("The key is being made. Wait a moment, then try again."),
  "car.out_of_place": t("The car does not stand where its owner said. The owner has been told; do not drive yet."),
  "car.unreachable": t("The car cannot be reached now: it sleeps or has no network."),
  "car.reachable": t("The car can be reached now. You can set out."),
  "car.silent": t("The car does not answer. Nothing was opened."),
  "key.no_news": t("The service was too slow. Nothing was opened. Try again."),
  "courier.too_far": t("You are more than 250 metres from the car. Go nearer, then try again."),
  "courier.reason_needed": t("You are not right beside the car. Say why, then send it again."),
  "courier.arrive_first": t("Your position is too old. Say again that you are here."),
  "opening.in_flight": t("An opening is on its way already. Wait for its answer."),
  "opening.too_many": t("This job has been tried too often. Call your dispatch."),
  "photo.too_many": t("This job has as many photos as it may have."),
  "photo.too_large": t("This photo is too large."),
  "photo.unfit": t("This picture cannot be read. Take another one."),
  "receipts.not_acceptable": t("The service could not use what the car gave this phone. The car tells it by itself when it has network."),
  "receipts.later": t("The service takes no more of the car's receipts now. They are kept and sent later."),
  "idempotency.in_progress": t("The first try is still running. Wait a moment."),
};

const CAR = {
  busy: t("The car was busy with another opening. Wait a moment, then try again."),
  refused: t("The car did not accept this phone's key. Is it the right car?"),
  too_early: t("It is too early: the time agreed with the owner has not begun."),
  expired: t("The time agreed with the owner is over. Ask your dispatch."),
  bad_window: t("The key's times do not fit. Ask your dispatch."),
  revoked: t("The key was taken back. Ask your dispatch."),
  blocked_by_owner: t("The owner has blocked deliveries into this car."),
  owner_signature: t("This car asks for its owner's own signature, and the key has none that holds. Ask your dispatch."),
  already_used: t("This key opened the boot once already. Look at the boot."),
  not_allowed: t("This car does not let a key open that."),
  vehicle_state: t("The car is not parked with its ignition off and all doors shut."),
  wrong_place: t("The car does not stand where the owner agreed."),
  clock_untrusted: t("The car is not sure what time it is. Go where your phone has network, then try again."),
  stale_trust: t("The car has not heard from us for too long. Go where your phone has network, then try again."),
  internal: t("Something is wrong in the car."),
  not_sent: t("It did not reach the car in time."),
  version: t("This car speaks another version of the local link."),
};

/** A refusal of the service in words. */
export function explain(code, status = 0) {
  if (Object.hasOwn(PROBLEMS, code)) return PROBLEMS[code];
  if (status >= 500) return t("Something broke on our side. Try again.");
  return t("That did not work. Try again, or ask your dispatch.");
}

/** A code of the car in words; empty for one that is not known. */
export const carWords = (code) => (Object.hasOwn(CAR, code) ? CAR[code] : "");
