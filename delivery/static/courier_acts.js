// What a courier can do in a job now: the one big button, the few beside it, and what each of them does.
import { CarLink, possible as bluetooth } from "/courier/bluetooth.js";
import { here, distance } from "/courier/here.js";
import { hold, twoTaps } from "/courier/hold.js";
import { openNearby, receipts } from "/courier/nearby.js";
import { open, opened, simply, simplyWords } from "/courier/opening.js";
import { dismiss, later, waiting } from "/courier/outbox.js";
import { reencoded } from "/courier/photo.js";
import { possible, scanWith } from "/courier/scan.js";
import { during, element, say } from "/static/controls.js";
import { t } from "/static/words.js";

const by = (id) => document.getElementById(id);
/** From here on the service asks for a reason. */
const NEAR_M = 50;

export class Acts {
  #screen;
  #challenges;
  #drawn = "";
  #now = {};
  #busy = false;
  #stop = new AbortController();

  constructor(screen, challenges) {
    this.#screen = screen;
    this.#challenges = challenges;
    const heard = { signal: this.#stop.signal };
    by("why").addEventListener("submit", (event) => this.#reasoned(event), heard);
    by("fail").addEventListener("submit", (event) => this.#failed(event), heard);
    by("parcel-scan").addEventListener("click", () => this.#scanned(), heard);
    by("parcel-scan").hidden = !possible;
    by("why").hidden = true;
    by("fail").reset();
    by("failing").open = false;
    for (const id of ["said", "parcel-said"]) say(by(id), "");
    for (const id of ["main-act", "with-act", "more-acts"]) by(id).replaceChildren();
  }

  leave() {
    this.#stop.abort();
  }

  /** Draw the buttons; those that stay the same stay where they are, also under a finger. */
  show(act, now) {
    this.#now = now;
    const more = this.#more(act, now);
    const text = JSON.stringify([act, more, now.silent]);
    if (text === this.#drawn || this.#busy) return;
    const mainChanged = JSON.parse(this.#drawn || "[null]")[0] !== act;
    this.#drawn = text;
    const focused = document.activeElement?.dataset?.act;
    if (mainChanged) {
      by("main-act").replaceChildren(...this.#main(act));
      by("with-act").replaceChildren(...(act === "open" || act === "nearby" ? this.#plainly(act) : []));
    }
    if (by("silent")) by("silent").textContent = now.silent;
    by("more-acts").replaceChildren(...more.map((one) => this.#beside(one)));
    if (focused && document.activeElement === document.body) document.querySelector(`[data-act="${focused}"]`)?.focus();
  }

  #more(act, { job, key, queued, away }) {
    if (job.sees === "over") return [];
    const can = new Set(job.can);
    const here = act === "open" || (job.state === "en_route" && queued.has("arrived"));
    return [
      ["bluetooth", bluetooth && here && key && away && act !== "nearby"],
      ["anyway", act === "set_out" && this.#screen.local.asleep],
      // The service says so only of a car that cannot be reached now; by Bluetooth this phone could open it all the same.
      ["instead", act === "set_out" && !bluetooth && Boolean(job.fallback)],
      ["flash", can.has("flash")],
      ["photo", can.has("photo") && act !== "photo" && act !== "open" && !queued.has("photo")],
      ["done", can.has("done") && act !== "done" && !queued.has("done")],
      ["lock", can.has("lock") && act !== "lock" && job.state !== "arrived"],
      ["again", can.has("again") && act !== "open" && !this.#screen.local.wanted],
    ]
      .filter(([, fits]) => fits)
      .map(([name]) => name);
  }

  #main(act) {
    switch (act) {
      case "set_out":
        return [this.#button(t("Set out"), "big", "set_out", () => this.#setOut(false))];
      case "arrived":
        return [this.#button(t("I am here"), "big", "arrived", () => this.#arrive())];
      case "open":
        return [this.#held(t("Hold to open"), () => this.#open((key, job) => open(job.id, key.token, this.#challenges.take())))];
      case "nearby":
        return [this.#held(t("Hold to open by Bluetooth"), () => this.#openNearby())];
      case "photo":
        return [this.#camera(t("Take a photo"), "big")];
      case "done":
        return [this.#button(t("Done"), "big", "done", () => this.#done())];
      case "lock":
        return [this.#button(t("Lock"), "big", "lock", () => this.#simply("lock"))];
      case "list":
        return [element("a", { className: "button big", href: "#", "data-act": "list" }, t("All jobs"))];
      default:
        return [];
    }
  }

  #beside(name) {
    switch (name) {
      case "bluetooth":
        return this.#button(t("Connect to the car by Bluetooth"), "quiet big", "bluetooth", () => this.#connect());
      case "anyway":
        return this.#button(t("Set out all the same"), "quiet big", "anyway", () => this.#setOut(true));
      case "instead": {
        const instead = element("button", { type: "button", className: "quiet big", "data-act": "instead" }, t("Take it to the place that the owner named"));
        const question = t("The car cannot be reached now. End this job, and take the parcel to the place that the owner named?");
        twoTaps(instead, { question, yes: t("Yes, end it"), no: t("No") }, () => this.#takeInstead());
        return instead;
      }
      case "flash":
        return this.#button(t("Flash the lights"), "quiet big", "flash", () => this.#simply("flash"));
      case "photo":
        return this.#camera(t("Take a photo"), "quiet big");
      case "done":
        return this.#button(t("Done without a photo"), "quiet big", "done", () => this.#done());
      case "lock":
        return this.#button(t("Lock"), "quiet big", "lock", () => this.#simply("lock"));
      default: {
        const again = element("button", { type: "button", className: "quiet big", "data-act": "again" }, t("It did not fit: open once more"));
        const question = t("Open once more? A new key is made for this phone.");
        twoTaps(again, { question, yes: t("Yes, once more"), no: t("No") }, () => this.#again());
        return again;
      }
    }
  }

  #button(words, className, name, work) {
    const made = element("button", { type: "button", className, "data-act": name }, words);
    made.addEventListener("click", work);
    return made;
  }

  #held(words, work) {
    const held = element("button", { type: "button", className: "big hold", "data-act": "open", "aria-describedby": "how" }, element("span", {}, words));
    hold(held, work);
    return held;
  }

  #plainly(act) {
    const plain = element("button", { type: "button", className: "plain big", "data-act": "plain" }, t("Open with two taps instead"));
    twoTaps(plain, { question: t("Open the boot now?"), yes: t("Yes, open it"), no: t("No, keep it shut") }, () =>
      act === "nearby" ? this.#openNearby() : this.#open((key, job) => open(job.id, key.token, this.#challenges.take())),
    );
    const how = element("p", { className: "muted small", id: "how" }, t("Hold it for a second. With the keyboard: hold Space or Enter."));
    return [how, element("p", { className: "said bad", id: "silent" }), plain];
  }

  #camera(words, className) {
    const field = element("input", { type: "file", accept: "image/*", className: "unseen", "data-act": "photo" });
    field.setAttribute("capture", "environment");
    field.addEventListener("change", () => field.files[0] && this.#photo(field));
    return element("label", { className: `button ${className}` }, words, field);
  }

  async #do(work) {
    this.#busy = true;
    const worked = await during(by("acts"), by("said"), work);
    this.#busy = false;
    await this.#screen.draw();
    return worked;
  }

  async #setOut(anyway) {
    this.#screen.watch();
    await this.#do(async () => {
      try {
        await this.#screen.ask("set-out", { anyway });
      } catch (problem) {
        this.#screen.local.asleep = problem.code === "car.unreachable";
        throw problem;
      }
    });
  }

  async #arrive(reason = "") {
    await this.#do(async () => {
      const position = await here();
      this.#screen.watch();
      const { job, local } = this.#screen;
      const far = !job.position || distance(position, job.position) > NEAR_M;
      by("why").hidden = !(far && !reason);
      if (far && !reason) {
        by("reason").focus();
        return;
      }
      await later(job.id, "arrived", { json: { position, reason } });
      local.again = false;
      local.result = null;
    });
  }

  async #reasoned(event) {
    event.preventDefault();
    const reason = by("reason").value.trim();
    if (!reason) return;
    const asked = (await waiting()).filter((item) => item.refused === "courier.reason_needed" && item.delivery === this.#screen.id);
    await Promise.all(asked.map(dismiss));
    await this.#arrive(reason);
  }

  /** The service wants a reason after all: it knows better where the car stands. */
  askWhy() {
    if (!by("why").hidden) return;
    by("why").hidden = false;
    by("reason").focus();
  }

  async #connect() {
    await this.#do(async () => {
      this.#screen.nearby = await CarLink.connect(() => {
        this.#screen.nearby = null;
        this.#screen.draw();
      });
    });
  }

  async #openNearby() {
    const car = this.#screen.nearby;
    const outcome = await this.#open((key, job) => openNearby(car, job.id, key.token));
    const { id } = this.#screen;
    // Also after an answer that was lost: the car's receipts say what it did.
    if (outcome !== "opened" && outcome !== "unsure") return;
    await receipts(car, async (found, last) => {
      await later(id, "receipts", { json: { receipts: found } });
      if (last === "closed" || last === "locked") await this.#screen.shut();
    });
    if (outcome === "opened") car.close(); // others may come
  }

  /** `attempt(key, job)`: one way to open. Gives its outcome. */
  async #open(attempt) {
    if (this.#busy) return "";
    const { key, job } = this.#now;
    const { local } = this.#screen;
    this.#screen.openedAt = 0;
    local.result = { title: t("Asking the car…"), next: t("It says at once what it does."), tone: "wait", at: Date.now(), open: false };
    await this.#screen.draw();
    let outcome = "";
    await this.#do(async () => {
      const answer = await attempt(key, job);
      outcome = answer.outcome;
      local.again = answer.code === "courier.arrive_first";
      const unsettled = answer.outcome === "unsure" || answer.outcome === "pending";
      local.result = { ...opened(answer), at: Date.now(), open: unsettled };
      if (answer.outcome === "opened") await this.#screen.opened();
      navigator.vibrate?.(answer.outcome === "opened" ? 80 : [60, 60, 60]);
    });
    this.#screen.look();
    return outcome;
  }

  async #simply(what) {
    await this.#do(async () => {
      const words = simplyWords(await simply(this.#now.job.id, what));
      if (words) throw new Error(words);
      return what === "flash" ? t("The lights flash.") : t("Locked.");
    });
    await this.#screen.look();
  }

  async #photo(field) {
    await this.#do(async () => {
      const bytes = await reencoded(field.files[0]);
      await later(this.#now.job.id, "photo", { bytes });
      this.#screen.local.taken = true;
      return t("The photo is kept.");
    });
    field.value = "";
  }

  #done() {
    return this.#do(() => later(this.#now.job.id, "done"));
  }

  #again() {
    return this.#do(async () => {
      await this.#screen.ask("again");
      Object.assign(this.#screen.local, { taken: false, wanted: true, result: null });
      this.#screen.wishes = {};
    });
  }

  async #failed(event) {
    event.preventDefault();
    const reason = new FormData(by("fail")).get("reason");
    await this.#do(() => later(this.#now.job.id, "fail", { json: { reason } }));
    by("failing").open = false;
  }

  /** Not by the outbox: the service looks whether the car can be reached, and says only then where the place is. */
  #takeInstead() {
    return this.#do(() => this.#screen.ask("fail", { reason: "car_unreachable" }));
  }

  async #scanned() {
    if (this.scanning) return;
    this.scanning = true;
    const { job, local } = this.#screen;
    try {
      const text = (await scanWith(by("parcel-scan"), by("parcel-camera"), t("Stop scanning"))).trim();
      const known = job.parcels.some((one) => one.reference === text);
      if (known) local.checked.add(text);
      if (text) say(by("parcel-said"), known ? t("This parcel belongs here.") : t("This parcel does not belong to this job."), known ? "good" : "bad");
      await this.#screen.draw();
    } catch (problem) {
      say(by("parcel-said"), problem.message, "bad");
    } finally {
      this.scanning = false;
    }
  }
}
