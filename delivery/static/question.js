// The one question to an owner, as its mail's link and the delivery's page show it: who, what, when, where, the car.
import { rows } from "/static/controls.js";
import { moment, span } from "/static/times.js";
import { carWords, placeWords, purpose } from "/delivery/words.js";

/** Fill `list` with a question's content. `asked`: { content, expires_at, car, out_by_m }. */
export function showQuestion(list, asked) {
  const content = asked.content;
  rows(list, [
    ["Who", content.carrier.name],
    ["Courier", content.courier ? content.courier.name : "not named yet"],
    ["What", purpose(content.kind, content.opens)],
    ["When", span(content.window)],
    ["Where", placeWords(content.place)],
    ["Your car", asked.car ? carWords(asked.car, asked.out_by_m) : ""],
    ["Your passkey", content.sign ? `signs for this courier's phone, ${span(content.sign)}` : ""],
    ["Answer by", moment(asked.expires_at)],
  ]);
  // What the passkey signs was drawn up before: it says nothing of openings without network.
  document.getElementById("network").hidden = Boolean(content.sign);
}

/** How old the car's news of revoked keys may be, in seconds, as chosen in `offline`; null: the default. */
export function newsAge(decision, asked, offline) {
  const chosen = decision === "approve" && offline.checked && !asked.content.sign;
  return chosen ? asked.content.news.longest_s : null;
}

const HOW = {
  link: "by a mail's link",
  session: "signed in",
  passkey: "with a passkey",
  standing: "by a standing approval",
};

/** Who answered, when and how; empty where that is not known here. `read`: { decided_at, by_you, level }. */
function whoAnswered(read) {
  if (!read.decided_at) return "";
  const who = read.level === "standing" ? "It was let in" : read.by_you ? "You answered" : "Somebody else of your car answered";
  return `${who} ${HOW[read.level] || ""}, ${moment(read.decided_at)}. `;
}

/** The result of an answer in plain words: [title, next, tone]. */
export function answered(read) {
  const who = whoAnswered(read);
  if (read.decided === "approve")
    return ["Approved", `${who}The car opens once, for this courier, in this window. You can block it until the lock moves.`, "good"];
  if (read.not_me)
    return ["Declined: that was not you", `${who}Nobody gets a key, and this carrier cannot ask for your car any more until you allow it again on your page.`, ""];
  return ["Declined", `${who}Nobody gets a key, and nothing is opened. There is nothing more to do.`, ""];
}
