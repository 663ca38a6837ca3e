// Who can get into a car and until when, each ended in one press; and who was at its boot before.
import { during, element } from "/static/controls.js";
import { ask } from "/static/requests.js";
import { clockNote, moment, second } from "/static/times.js";
import { t } from "/static/words.js";
import { stateName } from "/delivery/words.js";

const AT_THE_BOOT = ["opening", "opened", "refused", "unsure", "left_open", "closed", "locked"];
const by = (id) => document.getElementById(id);
let drawn = "";
let older = [];
let following = null;

/** Look again. `mine`: the reader's role on the car; who is only told may end nothing. */
export async function showAccess(vehicle, mine) {
  const list = `/v1/owner/deliveries?limit=50&vehicle=${vehicle}`;
  const { data, next } = await ask("GET", list);
  const text = JSON.stringify(data);
  if (text === drawn) return;
  if (!drawn) {
    following = next;
    by("older").addEventListener("click", () => during(by("log").parentElement, by("log-said"), () => more(list, mine)));
  }
  drawn = text;
  show(data, mine);
}

async function more(list, mine) {
  const page = await ask("GET", `${list}&after=${encodeURIComponent(following)}`);
  older = [...older, ...page.data];
  following = page.next;
  show(JSON.parse(drawn), mine);
}

function show(newest, mine) {
  const known = new Set(newest.map((one) => one.id));
  const every = [...newest, ...older.filter((one) => !known.has(one.id))];
  by("clock").textContent = clockNote(mine.zone);
  by("clock").hidden = by("clock").textContent === "";
  const keyed = every.filter((one) => one.livemode && ["made", "ending"].includes(one.key.state));
  by("access").replaceChildren(...keyed.map((one) => key(one, mine)));
  by("nobody").hidden = keyed.length > 0;
  const visits = every.filter((one) => one.timeline.some(([, what]) => AT_THE_BOOT.includes(what)));
  by("log").replaceChildren(...visits.map(visit));
  by("unopened").hidden = visits.length > 0 || Boolean(following);
  by("older").hidden = !following;
}

function who(one) {
  return one.courier_name ? t("{courier} of {carrier}", { courier: one.courier_name, carrier: one.carrier_name }) : one.carrier_name;
}

function linked(one, about, ...more) {
  const link = element("a", { className: "entry", href: `/deliveries/${one.id}` }, who(one));
  return element("li", {}, element("div", { className: "line" }, element("div", {}, link, element("div", { className: "muted small" }, about)), ...more));
}

function key(one, mine) {
  const time = moment(one.key.dies_at, one.zone);
  if (one.key.state === "ending") return linked(one, t("Block requested: the car has not confirmed it yet. The key dies by itself at {time}.", { time }));
  const about = t("One opening, until {time}.", { time });
  if (!mine.may_approve || !one.can_block) return linked(one, about);
  const block = element("button", { type: "button", className: "bad small", "aria-label": t("Block {name}", { name: who(one) }) }, t("Block"));
  block.addEventListener("click", () =>
    during(by("access").parentElement, by("access-said"), async () => {
      await ask("POST", `/v1/owner/deliveries/${one.id}/block`);
      drawn = " ";
      await showAccess(mine.vehicle, mine);
      return t("Blocked. Its page says when the car has confirmed it.");
    }),
  );
  return linked(one, about, block);
}

function visit(one) {
  const at = Object.fromEntries(one.timeline.map(([time, what]) => [what, time]));
  const [words, tone] = stateName(one.state);
  return linked(one, happened(at, one.zone), element("span", { className: `badge ${tone}` }, words));
}

function happened(at, zone) {
  if (at.opened && at.locked) return t("Opened {opened}, locked {locked}.", { opened: second(at.opened, zone), locked: second(at.locked, zone) });
  if (at.opened) return t("Opened {opened}.", { opened: second(at.opened, zone) });
  if (at.refused) return t("Asked to open, and refused by the car, {time}.", { time: second(at.refused, zone) });
  return t("Asked to open {time}.", { time: second(at.opening || at.unsure || at.closed || at.left_open || at.locked, zone) });
}
