// What an owner may change after a yes: more time, another place. Hidden where what was signed takes no change.
import { during } from "/static/controls.js";
import { ask } from "/static/requests.js";
import { clockNote, fromField, toField } from "/static/times.js";
import { t } from "/static/words.js";
import { asWanted, placeFields } from "/delivery/place.js";

const UNDER_WAY = new Set(["approved", "keyed", "en_route", "arrived"]);
const by = (id) => document.getElementById(id);
let place = null;
let zone = null;
let drawn = "";

/** Fill the fields from a delivery as it was read. What somebody is typing stays. */
export function showChanges(read) {
  const signed = Boolean(read.question && read.question.content.sign);
  by("changes").hidden = !(UNDER_WAY.has(read.state) && read.can_block && read.livemode && !signed);
  const agreed = JSON.stringify([read.window.end, read.place, read.zone]);
  if (agreed === drawn) return;
  drawn = agreed;
  const end = new Date(read.window.end);
  zone = read.zone;
  by("until").min = toField(end, zone);
  by("until").value = toField(new Date(end.getTime() + 60 * 60_000), zone);
  by("until-clock").textContent = clockNote(zone);
  by("until-clock").hidden = by("until-clock").textContent === "";
  place = placeFields(by("place"), "place", asWanted(read.place), by("changed"));
}

/** `path`: of the delivery in the API; `show`: draws what the API answers. */
export function offerChanges(path, show) {
  by("longer").addEventListener("submit", (event) => {
    event.preventDefault();
    during(by("longer"), by("changed"), async () => {
      show(await ask("POST", `${path}/extend`, { body: { until: fromField(by("until").value, zone).toISOString() } }));
      return t("The courier has more time.");
    });
  });
  by("elsewhere").addEventListener("submit", (event) => {
    event.preventDefault();
    during(by("elsewhere"), by("changed"), async () => {
      show(await ask("POST", `${path}/place`, { body: { place: place() } }));
      return t("You agreed to this place.");
    });
  });
}
