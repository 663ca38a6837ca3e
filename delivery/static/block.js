// The link of a mail that told of a delivery nobody was asked about. Opening the page looks; only the button blocks.
import { during, element, lead, say, twice } from "/static/controls.js";
import { ask } from "/static/requests.js";
import { t } from "/static/words.js";
import { answered, showQuestion } from "/delivery/question.js";

const KEPT = "block";
const by = (id) => document.getElementById(id);
const said = by("said");
let token = location.hash.slice(1);
let question = null;

// Kept for this tab only, so that a reload shows it again and the address bar holds no secret.
if (token) sessionStorage.setItem(KEPT, token);
else token = sessionStorage.getItem(KEPT) || "";
history.replaceState(null, "", location.pathname);
addEventListener("hashchange", () => location.reload());

function result(title, next, tone) {
  by("result").className = `stands ${tone}`;
  by("outcome").textContent = title;
  by("next").textContent = next;
  by("follow").replaceChildren(element("a", { href: `/deliveries/${question.delivery}` }, t("Follow it on its page (sign in by mail)")));
  by("result").hidden = false;
}

async function open() {
  say(said, t("One moment…"));
  question = await ask("POST", "/v1/questions/open", { body: { token }, looks: true });
  by("title").textContent = t("{carrier} was let in", { carrier: question.content.carrier.name });
  document.title = `${by("title").textContent} - Trunkline`;
  showQuestion(by("asked"), question);
  by("question").hidden = false;
  say(said, "");
  if (question.can_block) {
    result(...answered(question));
    by("stop").hidden = false;
  } else if (question.state === "blocked")
    result(t("Blocked"), t("It was blocked already. Its page says when its key is certain to be dead."), "");
  else result(t("There is nothing to block any more"), t("It is over, or the lock has moved already: its page says what happened."), "");
}

twice(
  by("block"),
  t("Block this delivery? Its key is destroyed, and its page says when that is certain. The carrier has to ask you anew."),
  t("Yes, block it"),
  async () => {
    const worked = await during(by("stop"), said, async () => {
      await ask("POST", "/v1/questions/block", { body: { token } });
    });
    if (!worked) return;
    by("stop").hidden = true;
    result(t("Blocked"), t("Its key is being destroyed; its page says when that is certain."), "");
    lead(by("result"));
  },
);
if (token)
  open().catch((problem) => {
    say(said, problem.message, "bad");
    by("other").hidden = false;
  });
else {
  say(said, t("This page is reached by the link of a mail. Nothing was blocked."));
  by("other").hidden = false;
}
