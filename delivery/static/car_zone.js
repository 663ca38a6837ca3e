// By whose clock times of a car are told: the one of the place where it is at home, as its owner says.
import { during, element } from "/static/controls.js";
import { ask } from "/static/requests.js";
import { here } from "/static/times.js";
import { t } from "/static/words.js";

function option(zone, chosen) {
  return element("option", { value: zone, selected: zone === chosen }, zone.replaceAll("_", " "));
}

/** The form. `mine`: the reader's role on the car, whose `zone` it sets; `said`: the line that tells how it went; `changed`: draws anew what tells times. */
export function zoneForm(path, mine, said, changed) {
  const chosen = mine.zone || here();
  const zones = [...new Set([...Intl.supportedValuesOf("timeZone"), here(), chosen])].toSorted();
  const field = element("select", { id: "car-zone", name: "zone", "aria-describedby": "car-zone-hint" }, ...zones.map((zone) => option(zone, chosen)));
  const hint = t("Where the car is at home. Your pages, your mails and the courier's phone tell times by its clock.");
  const form = element(
    "form",
    {},
    element("label", { htmlFor: "car-zone" }, t("Time zone")),
    field,
    element("p", { className: "muted small", id: "car-zone-hint" }, hint),
    element("button", { type: "submit", className: "quiet" }, t("Keep this time zone")),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    during(form, said, async () => {
      await ask("PUT", `${path}/zone`, { body: { zone: field.value } });
      mine.zone = field.value;
      await changed();
      return t("Kept.");
    });
  });
  return form;
}
