// Free slots while the owner is on the phone: one press on a time books it.
import { element } from "/static/controls.js";
import { language, t } from "/static/words.js";
import { ask, by } from "/desk/desk_state.js";

/** A time as the garage's clock shows it. */
function words(start, zone) {
  return new Intl.DateTimeFormat(language, {
    weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: zone,
  }).format(new Date(start));
}

/** Another case, or none. */
export function hideOffers() {
  by("booking").hidden = true;
  by("offers").replaceChildren();
}

/** What is free for the case at `path`; `book` gets the slot and what to call it. */
export async function showOffers(path, book) {
  const { data } = await ask("GET", `${path}/slots`);
  by("offers").replaceChildren(...data.map((offer) => one(offer, book)));
  if (data.length === 0) by("offers").replaceChildren(element("p", { className: "muted" }, t("No garage has a free slot for this now.")));
  by("booking").hidden = false;
}

function one({ garage, slots }, book) {
  const times = slots.map((slot) => {
    const when = words(slot.start, garage.zone);
    const button = element("button", { type: "button", className: "small quiet", "aria-label": t("Book {when} at {garage}", { when, garage: garage.name }) }, when);
    button.addEventListener("click", () => book(slot.slot, `${when}, ${garage.name}`));
    return button;
  });
  return element("div", { className: "offer" },
    element("h4", {}, garage.name),
    element("p", { className: "muted small" }, garage.address),
    element("div", { className: "acts" }, ...times),
  );
}
