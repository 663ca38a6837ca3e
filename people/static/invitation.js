// Reads an invitation and answers it; nothing is decided by opening the page.
import { during, say, twice } from "/static/controls.js";
import { ask } from "/static/requests.js";
import { moment } from "/static/times.js";
import { t } from "/static/words.js";

const id = location.pathname.split("/").pop();
const path = `/v1/invitations/${id}`;
const what = document.getElementById("what");
const answer = document.getElementById("answer");
const said = document.getElementById("said");
const decline = document.getElementById("decline");
const ROLES = {
  owner: t("You are invited as an owner: you decide about it like the one who invites you."),
  driver: t("You are invited as a driver."),
  told: t("You are invited to be told what happens to it."),
};
const STATES = {
  bound: t("Done: the car is among yours."),
  cancelled: t("This invitation was taken back or declined."),
  lapsed: t("This invitation is too old. Ask for a new one."),
};

function show(invitation) {
  what.textContent = ROLES[invitation.role];
  answer.hidden = !["offered", "accepted"].includes(invitation.state);
  if (invitation.state === "accepted")
    return t("Accepted. It counts from {time}, or at once with the code on the car's display.", { time: moment(invitation.ripe_at) });
  return STATES[invitation.state] || "";
}

answer.addEventListener("submit", (event) => {
  event.preventDefault();
  const code = answer.elements.code.value.trim();
  during(answer, said, async () => show(await ask("POST", `${path}/acceptance`, { body: code ? { code } : {} })));
});
twice(decline, t("Decline this invitation? To join later, you have to be invited anew."), t("Yes, decline"), () =>
  during(answer, said, async () => {
    await ask("DELETE", path);
    answer.hidden = true;
    return t("Declined.");
  }),
);
ask("GET", path).then(
  (invitation) => say(said, show(invitation), "good"),
  (problem) => {
    say(said, problem.message, "bad");
    document.getElementById("sign-in").hidden = problem.status !== 401;
  },
);
document.getElementById("enter").addEventListener("click", () => {
  localStorage.setItem("back", JSON.stringify({ to: location.pathname, at: Date.now() }));
});
