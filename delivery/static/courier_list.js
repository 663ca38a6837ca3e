// The list of jobs, the soonest first, as the phone knows them; read anew whenever it can be.
import { kept, readAll } from "/courier/jobs.js";
import { stateName } from "/courier/steps.js";
import { element } from "/static/controls.js";
import { span } from "/static/times.js";
import { n, t } from "/static/words.js";

const by = (id) => document.getElementById(id);
/** Parcels whose reference tells a job from another one of the same hour. */
const NAMED = 2;
let drawn = "";

function entry({ job }) {
  const where = job.looks ? [job.looks.plate, job.looks.colour].filter(Boolean).join(" · ") : t("plate shown later");
  const what = [n("{count} parcel", "{count} parcels", job.parcels.length), ...job.parcels.slice(0, NAMED).map((one) => one.reference)];
  return element(
    "li",
    {},
    element(
      "a",
      { className: "job-entry", href: `#${job.id}` },
      element("strong", {}, span(job.window, job.zone)),
      element("span", {}, where),
      element("span", { className: "muted" }, what.filter(Boolean).join("\u00a0· ")),
      element("span", { className: "badge" }, stateName(job.state)),
    ),
  );
}

/** Draw what the phone knows. */
export async function drawList() {
  const jobs = await kept();
  const text = JSON.stringify(jobs.map(({ job }) => job));
  if (text === drawn) return;
  drawn = text;
  by("entries").replaceChildren(...jobs.map(entry));
  by("entries").hidden = jobs.length === 0;
  by("no-jobs").hidden = jobs.length > 0;
}

/** Read anew, then draw. Throws Refused. */
export async function lookAtList() {
  try {
    await readAll();
  } finally {
    await drawList();
  }
}
