// The rules of a car: how a courier finds it, where it may stand, what may be asked at all, when nobody is woken.
import { during, element } from "/static/controls.js";
import { ask } from "/static/requests.js";
import { here } from "/static/times.js";
import { t } from "/static/words.js";
import { zoneForm } from "/delivery/car-zone.js";
import { placeFields } from "/delivery/place.js";

const LONGEST_LINE = 60;

/** The rules and their ETag, as the API has them now. */
export async function readRules(path) {
  let etag = "";
  const body = await ask("GET", `${path}/rules`, { seen: (answer) => (etag = answer.headers.get("ETag")) });
  return { body, etag };
}

/**
 * Fill `area` with one form for each part of the rules. `named`: hears of them, for the page's title.
 * `mine`: the reader's role on the car; `retimed`: draws anew what tells times, once its zone is another.
 */
export async function rulesOf(area, path, named, mine, retimed) {
  const said = element("p", { className: "said", role: "status" });
  let rules = await readRules(path);
  /** Only what a form is about is replaced; the rest is as it was read, and its ETag says so. */
  const put = (form, part, words) =>
    during(form, said, async () => {
      await ask("PUT", `${path}/rules`, { body: { ...rules.body, ...part() }, headers: { "If-Match": rules.etag } });
      rules = await readRules(path);
      draw();
      (form.isConnected ? form : quiet).focus();
      return words;
    });
  const draw = () => {
    named(rules.body);
    summary.textContent = told(rules.body);
    quiet.replaceChildren(quietForm(rules.body, mine, put));
  };
  const summary = element("p", { className: "muted" });
  const quiet = element("div", { tabIndex: -1 });
  draw();
  area.replaceChildren(
    summary,
    folded(t("Name, colour and plate"), looks(rules.body, put)),
    folded(t("Where it may stand"), placeForm(rules.body, put, said)),
    folded(t("What may be asked"), asked(rules.body, put)),
    folded(t("Quiet hours"), quiet),
    folded(t("Time zone"), zoneForm(path, mine, said, retimed)),
    said,
  );
}

function told(body) {
  if (body.block_all) return t("No delivery is let in at all: every order hears that the address cannot be used.");
  const parts = [];
  if (body.plate || body.colour) parts.push([body.colour, body.plate].filter(Boolean).join(", "));
  else parts.push(t("Couriers are not told its colour or plate yet: say them, so that the right car is found."));
  if (body.quiet) parts.push(t("Quiet from {start} to {end}.", body.quiet));
  return parts.join(" · ");
}

function folded(title, inside) {
  return element("details", {}, element("summary", {}, title), inside);
}

function form(fields, button, save) {
  const made = element("form", { tabIndex: -1 }, ...fields, element("button", { type: "submit", className: "quiet" }, button));
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    save(made);
  });
  return made;
}

function line(name, words, value, hint) {
  const id = `rule-${name}`;
  const field = element("input", { id, name, value, maxLength: LONGEST_LINE, autocomplete: "off", "aria-describedby": `${id}-hint` });
  return [element("label", { htmlFor: id }, words), field, element("p", { className: "muted small", id: `${id}-hint` }, hint)];
}

function looks(body, put) {
  const read = (made) => Object.fromEntries(["name", "colour", "plate"].map((name) => [name, made.elements[name].value.trim()]));
  return form(
    [
      ...line("name", t("What you call it"), body.name, t("Only you and your household read it.")),
      ...line("colour", t("Colour and model"), body.colour, t("The courier reads it.")),
      ...line("plate", t("Licence plate"), body.plate, t("The courier reads it shortly before the window.")),
    ],
    t("Keep this"),
    (made) => put(made, () => read(made), t("Kept.")),
  );
}

function placeForm(body, put, said) {
  const fields = element("div");
  const place = placeFields(fields, "rule", body.place, said);
  return form(
    [element("p", { className: "muted small" }, t("It counts for what is asked from now on. A standing approval for another place ends.")), fields],
    t("Keep this place"),
    (made) => put(made, () => ({ place: place() }), t("Kept.")),
  );
}

function asked(body, put) {
  const tick = (name, words, checked) => element("label", { className: "choice" }, element("input", { type: "checkbox", name, checked }), words);
  return form(
    [
      tick("cabin", t("Orders that open the cabin too may be asked"), body.cabin),
      tick("block_all", t("No deliveries at all for now"), body.block_all),
    ],
    t("Keep this"),
    (made) => put(made, () => ({ cabin: made.elements.cabin.checked, block_all: made.elements.block_all.checked }), t("Kept.")),
  );
}

function quietForm(body, mine, put) {
  const { quiet } = body;
  const time = (name, words, value) => [
    element("label", { htmlFor: `quiet-${name}` }, words),
    element("input", { id: `quiet-${name}`, name, type: "time", required: true, value }),
  ];
  const words = t("Questions that can wait until morning are mailed then. On their page you can answer them all the while.");
  const made = form(
    [
      element("p", { className: "muted small" }, words),
      ...time("start", t("From"), quiet ? quiet.start : "22:00"),
      ...time("end", t("To"), quiet ? quiet.end : "07:00"),
    ],
    quiet ? t("Change quiet hours") : t("Set quiet hours"),
    () =>
      put(made, () => ({ quiet: { start: made.elements.start.value, end: made.elements.end.value, zone: mine.zone || here() } }), t("Quiet hours are set.")),
  );
  if (quiet) {
    const off = element("button", { type: "button", className: "plain" }, t("No quiet hours"));
    off.addEventListener("click", () => put(made, () => ({ quiet: null }), t("There are no quiet hours now.")));
    made.append(off);
  }
  return made;
}
