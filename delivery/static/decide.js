// The link's token comes in the fragment, which no server sees. Opening the page looks; only a button decides.
import { during, element, lead, say } from "/static/controls.js";
import { ask } from "/static/requests.js";
import { span } from "/static/times.js";
import { t } from "/static/words.js";
import { answer, notMe, showNeeded } from "/delivery/answering.js";
import { answered, newsAge, showQuestion } from "/delivery/question.js";
import { questionTitle } from "/delivery/words.js";

const KEPT = "question";
const by = (id) => document.getElementById(id);
const said = by("said");
let token = location.hash.slice(1);
let question = null;

// Kept for this tab only, so that a reload shows the question again and the address bar holds no secret.
if (token) sessionStorage.setItem(KEPT, token);
else token = sessionStorage.getItem(KEPT) || "";
history.replaceState(null, "", location.pathname);
addEventListener("hashchange", () => location.reload());

function result([title, next, tone]) {
  by("answers").hidden = true;
  say(said, "");
  by("result").className = `stands ${tone}`;
  by("outcome").textContent = title;
  by("next").replaceChildren(next);
  by("follow").replaceChildren(element("a", { href: `/deliveries/${question.delivery}` }, t("Follow or block it on its page (sign in by mail)")));
  by("follow").hidden = tone !== "good";
  lead(by("result"));
}

function stands(read) {
  if (read.decided) return result(answered(read));
  return result([
    t("Nothing is asked any more"),
    t("The time to answer is over, or the carrier withdrew it. Without an approval nobody gets a key."),
    "",
  ]);
}

async function decide(decision, { silent = false, disowned = false } = {}) {
  await during(by("answers"), said, async () => {
    const fra = newsAge(decision, question, by("offline"));
    const challenge = { path: "/v1/questions/challenge", base: { token } };
    const at = { decide: "/v1/questions/decide", base: { token }, challenge, session: false };
    const read = await answer(at, question, { decision, silent, notMe: disowned, fra });
    stands({ ...read, not_me: disowned });
  });
}

function showOthers(waiting) {
  by("waits").hidden = waiting.length === 0;
  by("others").replaceChildren(
    ...waiting.map((one) =>
      element(
        "li",
        {},
        element("a", { className: "entry", href: `/deliveries/${one.delivery}` }, one.carrier_name),
        element("div", { className: "muted small" }, span(one.window, one.zone)),
      ),
    ),
  );
}

async function open() {
  say(said, t("One moment…"));
  question = await ask("POST", "/v1/questions/open", { body: { token }, looks: true });
  const title = questionTitle(question.content.kind, question.content.carrier.name);
  by("title").textContent = title;
  document.title = `${title} - Trunkline`;
  showQuestion(by("asked"), question);
  by("question").hidden = false;
  showOthers(question.waiting);
  say(said, "");
  const left = new Date(question.expires_at) - Date.now();
  if (question.decided || question.state !== "asked" || left <= 0) return stands(question);
  showNeeded(question.needed, { session: false });
  by("answers").hidden = false;
  // Longer than a timer can count: whoever leaves a page open for weeks hears it from the answer.
  if (left < 2 ** 31) setTimeout(() => by("answers").hidden || stands({ decided: null }), left);
  return undefined;
}

by("approve").addEventListener("click", () => decide("approve"));
by("decline").addEventListener("click", () => decide("decline"));
by("silent").addEventListener("click", () => decide("decline", { silent: true }));
notMe(() => decide("decline", { disowned: true }));
if (token)
  open().catch((problem) => {
    say(said, problem.message, "bad");
    by("other").hidden = false;
  });
else {
  say(said, t("This page is reached by the link of a mail. Nothing was decided."));
  by("other").hidden = false;
}
