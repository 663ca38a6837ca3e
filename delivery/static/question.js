// The one question to an owner, as its mail's link and the delivery's page show it: who, what, when, where, the car.
import { rows } from "/static/controls.js";
import { moment, span } from "/static/times.js";
import { t } from "/static/words.js";
import { carWords, placeWords, purpose } from "/delivery/words.js";

/** Fill `list` with a question's content. `asked`: { content, expires_at, car, out_by_m, zone }. */
export function showQuestion(list, asked) {
  const { content, zone } = asked;
  rows(list, [
    [t("Who"), content.carrier.name],
    [t("Courier"), content.courier ? content.courier.name : t("not named yet")],
    [t("What"), purpose(content.kind, content.opens)],
    [t("When"), span(content.window, zone)],
    [t("Where"), placeWords(content.place)],
    [t("Your car"), asked.car ? carWords(asked.car, asked.out_by_m, zone) : ""],
    [t("Your passkey"), content.sign ? t("signs for this courier's phone, {when}", { when: span(content.sign, zone) }) : ""],
    [t("Answer by"), moment(asked.expires_at, zone)],
  ]);
  // What the passkey signs was drawn up before: it says nothing of openings without network.
  document.getElementById("network").hidden = Boolean(content.sign);
}

/** How old the car's news of revoked keys may be, in seconds, as chosen in `offline`; null: the default. */
export function newsAge(decision, asked, offline) {
  const chosen = decision === "approve" && offline.checked && !asked.content.sign;
  return chosen ? asked.content.news.longest_s : null;
}

/** Who answered, when and how, by level; `{time}`: when. */
const YOU = {
  link: t("You answered by a mail's link, {time}."),
  session: t("You answered signed in, {time}."),
  passkey: t("You answered with a passkey, {time}."),
};
const OTHERS = {
  link: t("Somebody else of your car answered by a mail's link, {time}."),
  session: t("Somebody else of your car answered signed in, {time}."),
  passkey: t("Somebody else of your car answered with a passkey, {time}."),
};

/** Empty where it is not known here. `read`: { decided_at, by_you, level, zone }. */
function whoAnswered(read) {
  if (!read.decided_at) return "";
  const time = moment(read.decided_at, read.zone);
  if (read.level === "standing") return `${t("It was let in by a standing approval, {time}.", { time })} `;
  const words = (read.by_you ? YOU : OTHERS)[read.level] || "";
  return words && `${words.replace("{time}", time)} `;
}

/** The result of an answer in plain words: [title, next, tone]. */
export function answered(read) {
  const who = whoAnswered(read);
  if (read.decided === "approve") {
    const next = t("The car opens once, for this courier, in this window. You can block it until the lock moves.");
    return [t("Approved"), `${who}${next}`, "good"];
  }
  if (read.not_me) {
    const next = t("Nobody gets a key, and this carrier cannot ask for your car any more until you allow it again on your page.");
    return [t("Declined: that was not you"), `${who}${next}`, ""];
  }
  return [t("Declined"), `${who}${t("Nobody gets a key, and nothing is opened. There is nothing more to do.")}`, ""];
}
