// Where the parcel goes that the car could not take: read once the job has ended undone, shown, and kept nowhere.
import { call, jobPath } from "/courier/api.js";
import { say } from "/static/controls.js";
import { moment } from "/static/times.js";
import { t } from "/static/words.js";

const by = (id) => document.getElementById(id);
const WHERE = {
  home: () => t("To the owner's home"),
  neighbour: () => t("To a neighbour"),
  parcel_shop: () => t("To a parcel shop"),
};
/** Of a job that did not answer yet, so often. */
const AGAIN_MS = 5_000;

/** The place of one job; a look that failed is tried again when the job is next drawn. */
export class Instead {
  #id;
  #read = null;
  #tried = 0;
  #reading = false;

  constructor(id) {
    this.#id = id;
    by("instead").hidden = true;
  }

  /** Draw it for the job as it stands now. */
  async show(job) {
    const wanted = job.sees === "over" && job.fallback && Date.now() < Date.parse(job.fallback.until);
    if (wanted && !this.#read && !this.#reading && Date.now() - this.#tried > AGAIN_MS) await this.#look();
    this.#draw(wanted ? job.fallback : null);
  }

  async #look() {
    this.#reading = true;
    this.#tried = Date.now();
    say(by("instead-said"), "");
    try {
      this.#read = await call("GET", jobPath(this.#id, "fallback"));
    } catch (problem) {
      say(by("instead-said"), problem.message, "bad");
    } finally {
      this.#reading = false;
    }
  }

  #draw(told) {
    by("instead").hidden = !told;
    if (!told) {
      this.#read = null;
      by("instead-line").textContent = "";
      return;
    }
    by("instead-title").textContent = WHERE[told.to]();
    by("instead-line").textContent = this.#read?.line ?? "";
    by("instead-until").textContent = this.#read ? t("It can be read here until {time}.", { time: moment(told.until) }) : "";
  }
}
