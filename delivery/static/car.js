// One car of the signed-in person, whole: who can get into it, its addresses, what is decided beforehand, who uses it.
import { say } from "/static/controls.js";
import { follow } from "/static/live.js";
import { ask } from "/static/requests.js";
import { t } from "/static/words.js";
import { showAccess } from "/delivery/car-access.js";
import { addresses } from "/delivery/car-addresses.js";
import { fallback } from "/delivery/car-fallback.js";
import { leaving } from "/delivery/car-leaving.js";
import { people } from "/delivery/car-people.js";
import { rulesOf } from "/delivery/car-rules.js";
import { beforehand } from "/delivery/beforehand.js";

const ROLES = {
  owner: t("You are an owner: you decide about it."),
  driver: t("You drive it."),
  approver: t("You drive it, and may approve deliveries."),
  told: t("You are told what happens to it."),
};
const by = (id) => document.getElementById(id);
const vehicle = by("car").dataset.id;
const path = `/v1/owner/cars/${vehicle}`;

function named(rules) {
  const title = rules.name || rules.plate || t("Your car");
  by("title").textContent = title;
  document.title = `${title} - Trunkline`;
}

async function begin() {
  const [mine, me] = await Promise.all([ask("GET", path), ask("GET", "/v1/me")]);
  const owns = mine.role === "owner";
  by("role").textContent = ROLES[mine.role === "driver" && mine.may_approve ? "approver" : mine.role];
  by("owners").hidden = !owns;
  const parts = [showAccess(vehicle, mine), people(by("people"), path, me.id, owns)];
  if (owns)
    parts.push(
      addresses(by("addresses"), path),
      beforehand(by("beforehand"), vehicle, mine),
      fallback(by("fallback"), path),
      rulesOf(by("rules"), path, named, mine, () => showAccess(vehicle, mine)),
    );
  leaving(by("leave"), path, me.id, owns);
  await Promise.all(parts);
  by("car").hidden = false;
  say(by("said"), "");
  follow("/v1/events/stream", () => again(mine), by("live"));
}

/** Who has another role by now sees the page anew; who has none, or is signed out, sees nothing of the car any more. */
async function again(mine) {
  try {
    const now = await ask("GET", path);
    if (now.role !== mine.role || now.may_approve !== mine.may_approve) location.reload();
    await showAccess(vehicle, mine);
  } catch (problem) {
    if ([401, 403, 404].includes(problem.status)) over(problem);
    throw problem;
  }
}

function over(problem) {
  by("car").hidden = true;
  say(by("said"), problem.message, "bad");
  by("sign-in").hidden = problem.status !== 401;
}

by("enter").addEventListener("click", () => {
  localStorage.setItem("back", JSON.stringify({ to: location.pathname, at: Date.now() }));
});
begin().catch(over);
