// One job on one screen: how it stands, the one thing to do now, and the few others that fit the moment.
import { AT_WORK, step } from "/courier/steps.js";
import { Instead } from "/courier/instead.js";
import { call, jobPath, link } from "/courier/api.js";
import { Acts } from "/courier/acts.js";
import { showCar } from "/courier/car.js";
import { allowed, follow } from "/courier/here.js";
import { fetchKey, keep, keptJob, keyOf, readOne } from "/courier/jobs.js";
import { Challenges } from "/courier/opening.js";
import { outbox, waiting } from "/courier/outbox.js";
import { say } from "/static/controls.js";
import { t } from "/static/words.js";

const by = (id) => document.getElementById(id);
const LOOK_MS = 5_000;
const OFTEN_MS = 1_200;
/** So long after an attempt its challenge is dead at the car, wherever the request may still be. */
const SURELY_DEAD_MS = 45_000;
/** So long the service may take to hear what the car said to this phone. */
const HEARS_MS = 10_000;
const BEFORE = new Set(["en_route", "arrived", "opening", "unsure"]);
const AWAY = new Set(["asleep", "no_coverage"]);

/** The job that is shown; `leave()` ends it. */
export class JobScreen {
  #timer = 0;
  #spot = null;
  #unfollow = null;
  #gone = false;
  #job = null;
  #acts;
  #challenges;
  #instead;
  #silent = "";
  #draws = 0;

  constructor(id) {
    this.id = id;
    /** What was done on this phone, and the service does not say: see `step`. `result`: of the newest attempt. */
    this.local = { taken: false, again: false, asleep: false, wanted: false, result: null, checked: new Set() };
    /** The car, where it is connected by Bluetooth; when it opened that way, which the service hears later. */
    this.nearby = null;
    this.openedNearby = 0;
    /** When the newest attempt opened it, whichever way: the answer to a tap comes before the service has noted it. */
    this.openedAt = 0;
    this.#challenges = new Challenges(id, (words) => {
      this.#silent = words;
      this.draw();
    });
    this.#acts = new Acts(this, this.#challenges);
    this.#instead = new Instead(id);
    this.heard = (event) => event.job && event.job.id === id && this.take(event.job);
    outbox.addEventListener("change", this.heard);
    outbox.addEventListener("change", this.draw);
  }

  async start() {
    const kept = await keptJob(this.id);
    if (kept) {
      this.#job = kept.job;
      await this.draw();
    }
    if (await allowed()) this.watch();
    await this.look();
  }

  leave() {
    this.#gone = true;
    clearTimeout(this.#timer);
    this.#challenges.stop();
    this.nearby?.close();
    this.#unfollow?.();
    this.#acts.leave();
    outbox.removeEventListener("change", this.heard);
    outbox.removeEventListener("change", this.draw);
  }

  get job() {
    return this.#job;
  }

  get spot() {
    return this.#spot;
  }

  /** Follow the phone, once the person has said that the page may. */
  watch() {
    if (this.#unfollow || this.#gone) return;
    this.#unfollow = follow((spot) => {
      this.#spot = spot;
      this.draw();
    });
  }

  /** The service's newest word on the job, or the car's own (`car`), which the service may not know yet. */
  async take(job, { car = false } = {}) {
    if (!car && (await this.#behind(job))) return;
    const { result } = this.local;
    if (result && this.#job && (job.state !== this.#job.state || job.refusal !== this.#job.refusal)) this.local.result = null;
    if (job.state !== "arrived") this.local.again = false;
    else this.local.wanted = false;
    this.#job = job;
    await keep(job);
    await fetchKey(job);
    await this.draw();
  }

  /** Whether the service has not heard yet what the car has said to this phone. */
  async #behind(job) {
    if (!BEFORE.has(job.state)) return false;
    if (job.state === "opening" && Date.now() - this.openedAt < HEARS_MS) return true;
    const brings = (await waiting()).some((item) => item.delivery === this.id && item.what === "receipts" && !item.refused);
    return brings || Date.now() - this.openedNearby < HEARS_MS;
  }

  /** The car's own receipt said so: kept at once, because the signal may be gone before the next look. */
  async opened() {
    this.openedAt = Date.now();
    if (this.nearby) this.openedNearby = this.openedAt;
    if (!BEFORE.has(this.#job.state)) return;
    await this.take({ ...this.#job, state: "open", refusal: null, can: this.nearby ? ["photo"] : ["lock", "photo"] }, { car: true });
  }

  /** The car said by Bluetooth that it is shut. */
  async shut() {
    this.openedNearby = Date.now();
    if (this.#job.state === "open") await this.take({ ...this.#job, state: "closed", can: ["photo"] }, { car: true });
  }

  /** Read it anew, and again after a while. */
  async look() {
    clearTimeout(this.#timer);
    if (this.#gone) return;
    const began = Date.now();
    try {
      const job = await readOne(this.id);
      const { result } = this.local;
      if (result && result.open && began > result.at + SURELY_DEAD_MS && job.state === "arrived")
        this.local.result = {
          ...result, open: false, tone: "wait",
          title: t("Nothing was opened."), next: t("Your try did not reach the car. Hold the button to try again."),
        };
      await this.take(job);
    } catch (problem) {
      if (problem.status === 404 && this.#job) {
        // Somebody else's now, or nobody's: where the car stands and how it looks is not this courier's to see any more.
        this.#job = { ...this.#job, sees: "over", state: "gone", parcels: [], can: [] };
        this.nearby?.close();
        await this.draw();
      }
      if (problem.status === 404 || !this.#job) say(by("said"), problem.message, "bad");
    }
    if (this.#gone) return;
    const soon = this.#job && (AT_WORK.has(this.#job.state) || this.local.result?.open);
    this.#timer = setTimeout(() => this.look(), soon ? OFTEN_MS : LOOK_MS);
  }

  /** One request that waits for its answer here, in the words of the person's wish. Throws Refused. */
  async ask(what, json) {
    this.wishes ??= {};
    const wish = (this.wishes[what + JSON.stringify(json)] ??= crypto.randomUUID());
    await this.take(await call("POST", jobPath(this.id, what), { json, wish }));
  }

  draw = async () => {
    const job = this.#job;
    if (!job || this.#gone) return;
    const mine = ++this.#draws;
    const items = (await waiting()).filter((item) => item.delivery === this.id);
    const queued = new Set(items.filter((item) => !item.refused).map((item) => item.what));
    const key = job.sees === "over" ? null : await keyOf(job);
    // What it is drawn from is read from the disk: only the newest reading counts.
    if (this.#gone || mine !== this.#draws) return;
    const here = { queued, key: Boolean(key), taken: this.local.taken, again: this.local.again, wanted: this.local.wanted, nearby: Boolean(this.nearby) };
    const next = step(job, here);
    // What could not be done for a job that is over by now is no news any more.
    if (job.sees === "over" && by("said").classList.contains("bad")) say(by("said"), "");
    const { result } = this.local;
    const shown = result && job.sees !== "over" ? { ...next, ...result } : next;
    by("stands").className = `stands ${shown.tone}`;
    for (const [id, text] of [["state", shown.title], ["next", shown.next]]) if (by(id).textContent !== text) by(id).textContent = text;
    showCar(job, this.#spot, this.local.checked);
    this.#instead.show(job);
    by("contents").hidden = job.sees === "over" || job.parcels.length === 0;
    by("failing").hidden = !job.can.includes("fail") || queued.has("fail");
    if (items.some((item) => item.refused === "courier.reason_needed")) this.#acts.askWhy();
    const away = !link.online || AWAY.has(job.car?.reach);
    this.#acts.show(next.act, { job, key, queued, away, silent: next.act === "open" ? this.#silent : "" });
    const atTheCar = next.act === "open" && key && job.can.includes("challenge");
    if (atTheCar) this.#challenges.start();
    else this.#challenges.stop();
  };
}
