// Where a parcel goes that the car could not take: chosen beforehand, one line, told to nobody before it is needed.
import { during, element } from "/static/controls.js";
import { ask } from "/static/requests.js";
import { t } from "/static/words.js";

const LONGEST = 200;
const KINDS = {
  home: t("To our home"),
  neighbour: t("To a neighbour"),
  parcel_shop: t("To a parcel shop"),
};

/** Fill `area` with the choice of the car at `path`. */
export async function fallback(area, path) {
  const said = element("p", { className: "said", role: "status" });
  const inside = element("div", { tabIndex: -1 });
  const look = async () => {
    let etag = "";
    const { place } = await ask("GET", `${path}/fallback`, { seen: (answer) => (etag = answer.headers.get("ETag")) });
    const put = (wanted, words) =>
      during(inside, said, async () => {
        await ask("PUT", `${path}/fallback`, { body: { place: wanted }, headers: { "If-Match": etag } });
        await look();
        inside.focus();
        return words;
      });
    inside.replaceChildren(...chosen(place, put));
  };
  await look();
  area.replaceChildren(inside, said);
}

function chosen(place, put) {
  const now = place
    ? element("p", {}, element("strong", {}, KINDS[place.to]), element("br"), place.line)
    : element("p", { className: "muted" }, t("No place is named: the carrier takes such a parcel back."));
  return [now, element("details", {}, element("summary", {}, place ? t("Change it") : t("Name a place")), form(place, put))];
}

function form(place, put) {
  const options = Object.entries(KINDS).map(([value, words]) => element("option", { value, selected: place?.to === value }, words));
  const to = element("select", { id: "fallback-to", name: "to" }, ...options);
  const line = element("input", {
    id: "fallback-line", name: "line", value: place?.line ?? "", maxLength: LONGEST, required: true, pattern: ".*\\S.*",
    autocomplete: "off", "aria-describedby": "fallback-who",
  });
  const declined = element("input", { type: "checkbox", name: "declined", checked: Boolean(place?.when_declined) });
  const made = element(
    "form",
    {},
    element("label", { htmlFor: to.id }, t("Where to")),
    to,
    element("label", { htmlFor: line.id }, t("Name, street and number")),
    line,
    element(
      "p",
      { className: "muted small", id: "fallback-who" },
      t("Only a carrier whose delivery you approved reads it, when that delivery could not be done, for one day. You see that it was read."),
    ),
    element("label", { className: "choice" }, declined, t("Also when I decline: then the carrier I decline reads the place, too")),
    element("button", { type: "submit", className: "quiet" }, t("Keep this place")),
  );
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    put({ to: to.value, line: line.value.trim(), when_declined: declined.checked }, t("Kept."));
  });
  if (place) {
    const none = element("button", { type: "button", className: "plain" }, t("No place any more"));
    none.addEventListener("click", () => put(null, t("No place is named any more.")));
    made.append(none);
  }
  return made;
}
