// How to find the car: plate, colour, name, distance and direction, and a link to whatever map app the phone has.
import { bearing, distance, HERE_M, wayTo } from "/courier/here.js";
import { reachWords } from "/courier/steps.js";
import { element, rows } from "/static/controls.js";
import { span } from "/static/times.js";
import { n, t } from "/static/words.js";

const by = (id) => document.getElementById(id);

function put(id, text) {
  if (by(id).textContent !== text) by(id).textContent = text;
  by(id).hidden = text === "";
}

/** Draw the card of a job. `spot`: where the phone is, or null. `checked`: parcels that were scanned. */
export function showCar(job, spot, checked) {
  const { looks, position } = job;
  by("car").hidden = job.sees === "over";
  if (job.sees === "over") return;
  put("plate", looks ? looks.plate : "");
  put("looks", looks ? [looks.colour, looks.name].filter(Boolean).join(" · ") : "");
  put("soon", job.sees === "area" ? t("The exact place and the plate are shown from 30 minutes before the time begins.") : "");
  showWay(position, spot, job.sees === "area");
  const link = position ? `geo:${position.lat},${position.lon}?q=${position.lat},${position.lon}` : "";
  by("maps").hidden = !position;
  if (link && by("maps").getAttribute("href") !== link) by("maps").href = link;
  rows(by("about"), [
    [t("When"), span(job.window, job.zone)],
    [t("What"), purpose(job)],
    [t("The car"), job.car ? reachWords(job.car, job.zone) : ""],
  ]);
  by("parcels").replaceChildren(...job.parcels.map((one) => parcel(one.reference, checked.has(one.reference))));
}

function showWay(position, spot, roughly) {
  by("way").hidden = !position || !spot;
  if (!position || !spot) return;
  const words = roughly ? t("Roughly {way}", { way: wayTo(spot, position) }) : wayTo(spot, position);
  put("far", words);
  by("arrow").hidden = roughly || distance(spot, position) < HERE_M;
  by("arrow").style.transform = `rotate(${Math.round(bearing(spot, position))}deg)`;
}

function purpose({ kind, opens, parcels: { length } }) {
  if (kind === "pickup" && opens === "cabin") return n("Take {count} parcel out of the car", "Take {count} parcels out of the car", length);
  if (kind === "pickup") return n("Take {count} parcel out of the boot", "Take {count} parcels out of the boot", length);
  if (opens === "cabin") return n("Put {count} parcel into the car", "Put {count} parcels into the car", length);
  return n("Put {count} parcel into the boot", "Put {count} parcels into the boot", length);
}

function parcel(reference, checked) {
  const mark = checked ? element("span", { className: "badge good" }, t("scanned")) : "";
  return element("li", {}, element("span", { className: "reference" }, reference), " ", mark);
}
