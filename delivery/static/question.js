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

/** The result of an answer in plain words: [title, next, tone]. */
export function answered(decided) {
  if (decided === "approve")
    return ["Approved", "The car opens once, for this courier, in this window. You can block it until the lock moves.", "good"];
  return ["Declined", "Nobody gets a key, and nothing is opened. There is nothing more to do.", ""];
}
