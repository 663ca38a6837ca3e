// Free slots while the owner is on the phone: one press on a time books it.
import { element } from "/static/controls.js";
import { language, t } from "/static/words.js";
import { ask, by } from "/desk/desk_state.js";

const DAY = { weekday: "long", day: "numeric", month: "long" };
const HOUR = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };

/** A moment as the garage's clock shows it. */
function words(start, zone, style) {
  return new Intl.DateTimeFormat(language, { ...style, timeZone: zone }).format(new Date(start));
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
  // A day's times under its heading, in the order they come. What is read aloud of a button has the day in it, too.
  const days = new Map();
  for (const slot of slots) {
    const day = words(slot.start, garage.zone, DAY);
    const when = words(slot.start, garage.zone, { ...DAY, ...HOUR });
    const button = element(
      "button",
      { type: "button", className: "small quiet", "aria-label": t("Book {when} at {garage}", { when, garage: garage.name }) },
      words(slot.start, garage.zone, HOUR),
    );
    button.addEventListener("click", () => book(slot.slot, `${when}, ${garage.name}`));
    if (!days.has(day)) days.set(day, []);
    days.get(day).push(button);
  }
  return element("div", { className: "offer" },
    element("h4", {}, garage.name),
    element("p", { className: "muted small" }, garage.address),
    ...[...days].flatMap(([day, times]) => [element("h5", { className: "day" }, day), element("div", { className: "acts" }, ...times)]),
  );
}
