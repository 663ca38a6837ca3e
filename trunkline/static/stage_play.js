// Plays one delivery on the real pages: presses what people press, one caption for each step. May be hurried, or left.
import { No, act } from "/static/stage_door.js";
import { arrived, frame, shown, there } from "/static/stage_frames.js";
import { look } from "/static/stage_tabs.js";
import { t } from "/static/words.js";

const by = (id) => document.getElementById(id);
const HOLD_MS = 1_100;
const FINGER_MS = 900;
const PATIENCE_S = 30;
let stop = null;
let hurry = () => undefined;

export const playing = () => stop !== null;

/** Play from the order to the destroyed key. `order()` gives the delivery; `now()` how the stage stands. */
export async function play({ order, now, done }) {
  if (stop) return;
  stop = new AbortController();
  const the = { order, now, signal: stop.signal, delivery: "" };
  by("play").disabled = by("order").disabled = true;
  by("caption").hidden = false;
  let ended = t("That was a delivery. Try it by hand now: say no, block it while Kim stands there, or lose the network.");
  try {
    for (const [at, step] of STEPS.entries()) {
      caption(step.says(), `${at + 1} / ${STEPS.length}`, step.side);
      await read(step.reads ?? 2_600, the.signal);
      await step.does(the);
      the.signal.throwIfAborted();
    }
  } catch (problem) {
    if (problem.name === "AbortError") ended = "";
    else if (problem instanceof No) ended = problem.message;
    else ended = t("This step did not end by itself. Go on by hand: every button works.");
  }
  caption(ended, "", "car");
  by("caption-next").hidden = true;
  await read(ended ? 12_000 : 0, the.signal).catch(() => undefined);
  by("caption").hidden = true;
  by("caption-next").hidden = false;
  light("");
  stop = null;
  done();
}

by("caption-next").addEventListener("click", () => hurry());
by("caption-stop").addEventListener("click", () => stop?.abort());

function caption(says, count, side) {
  by("caption-says").textContent = says;
  by("caption-count").textContent = count;
  if (!says) return;
  look(side);
  light(side);
  if (side === "car") by("drawing").scrollIntoView({ block: "nearest" });
}

function light(side) {
  for (const board of document.querySelectorAll(".board")) board.classList.toggle("lit", board.id === `board-${side}`);
}

/** Time to read; ends at once when somebody presses "Next". Throws when the play is stopped. */
function read(ms, signal) {
  return new Promise((done, failed) => {
    const timer = setTimeout(done, ms);
    hurry = () => {
      clearTimeout(timer);
      done();
    };
    const left = () => {
      clearTimeout(timer);
      failed(signal.reason);
    };
    if (signal.aborted) left();
    signal.addEventListener("abort", left, { once: true });
  });
}

async function until(true_, signal) {
  const end = Date.now() + PATIENCE_S * 1000;
  while (!true_()) {
    signal.throwIfAborted();
    if (Date.now() > end) throw new Error("it did not happen");
    await new Promise((done) => setTimeout(done, 100));
  }
}

/** What is pressed stands where it is seen, below the caption. */
function bring(element, id) {
  const top = frame(id).getBoundingClientRect().top + element.getBoundingClientRect().top;
  if (top < by("caption").offsetHeight + 40 || top > innerHeight - 120) scrollBy(0, top - innerHeight * 0.6);
}

/** A finger on an element of a frame: shown for a moment, then it presses. */
async function finger(id, element, press) {
  const page = element.ownerDocument.scrollingElement;
  const inside = element.getBoundingClientRect();
  page.scrollTop += inside.top + inside.height / 2 - frame(id).clientHeight / 2;
  bring(element, id);
  const box = frame(id).getBoundingClientRect();
  const at = element.getBoundingClientRect();
  const dot = document.createElement("span");
  dot.className = "finger";
  dot.style.left = `${box.left + at.left + at.width / 2}px`;
  dot.style.top = `${box.top + at.top + at.height / 2}px`;
  document.body.append(dot);
  try {
    await new Promise((done) => setTimeout(done, FINGER_MS));
    await press();
  } finally {
    dot.remove();
  }
}

async function press(the, id, selector, fits = shown) {
  const element = await there(id, selector, fits, PATIENCE_S, the.signal);
  await finger(id, element, () => element.click());
}

async function hold(the, id, selector) {
  const element = await there(id, selector, shown, PATIENCE_S, the.signal);
  const { PointerEvent } = element.ownerDocument.defaultView;
  const pointer = (name) => element.dispatchEvent(new PointerEvent(name, { bubbles: true, isPrimary: true, button: 0, pointerId: 1 }));
  await finger(id, element, async () => {
    pointer("pointerdown");
    await new Promise((done) => setTimeout(done, HOLD_MS));
    pointer("pointerup");
  });
}

/** What the courier's camera sees: the parcel in the boot. */
async function photograph(the) {
  const field = await there("courier", "input[data-act='photo']", () => true, PATIENCE_S, the.signal);
  const { File, DataTransfer, Event } = field.ownerDocument.defaultView;
  const picture = new File([await drawn()], "photo.png", { type: "image/png" });
  await finger("courier", field.closest("label") || field, () => {
    const given = new DataTransfer();
    given.items.add(picture);
    field.files = given.files;
    field.dispatchEvent(new Event("change", { bubbles: true }));
  });
}

function drawn() {
  const canvas = document.createElement("canvas");
  canvas.width = 960;
  canvas.height = 720;
  const pen = canvas.getContext("2d");
  for (const [colour, x, y, width, height] of [
    ["#20282d", 0, 0, 960, 720], ["#323d44", 60, 90, 840, 540], ["#46535b", 60, 560, 840, 70],
    ["#c99a5f", 310, 270, 360, 290], ["#a3763f", 470, 270, 40, 290], ["#a3763f", 310, 350, 360, 34], ["#ffffff", 540, 440, 96, 80],
  ]) {
    pen.fillStyle = colour;
    pen.fillRect(x, y, width, height);
  }
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

const button = () => frame("courier").contentDocument.querySelector("[data-act='done']");
const atJob = (the) => (frame("courier").contentWindow.location.hash = the.delivery);
const state = (the) => the.now().car;

const STEPS = [
  {
    side: "car",
    says: () => t("Ada bought something. The shop's carrier asks to leave it in her car, which is parked somewhere in town."),
    does: async (the) => {
      the.delivery = await the.order();
    },
  },
  {
    side: "owner",
    says: () => t("Ada's phone asks her: who comes, when, for what. Until she says yes there is no key at all."),
    does: async (the) => {
      frame("owner").src = `/deliveries/${the.delivery}`;
      await press(the, "owner", "#approve");
      // Before her yes it is no job of Kim's phone, and none to ask for.
      await until(() => the.now().approved, the.signal);
    },
  },
  {
    side: "courier",
    says: () => t("Her yes makes one key: for this car, this phone, one opening. Kim sets out."),
    does: async (the) => {
      atJob(the);
      await press(the, "courier", "[data-act='set_out']");
    },
  },
  {
    side: "car",
    reads: 4_500,
    says: () => t("Kim walks to the car. The phone says how far it is, without any map service."),
    does: (the) => until(arrived, the.signal),
  },
  {
    side: "courier",
    reads: 1_800,
    says: () => t("At the car, Kim says so."),
    does: (the) => press(the, "courier", "[data-act='arrived']"),
  },
  {
    side: "courier",
    reads: 3_200,
    says: () => t("Now Kim holds one button. The car gives a fresh number, the phone signs it, and the car itself checks everything."),
    does: async (the) => {
      await hold(the, "courier", "[data-act='open']");
      await until(() => state(the).lid_up, the.signal);
    },
  },
  {
    side: "car",
    reads: 2_200,
    says: () => t("Open, once. The key is used up already: nobody can open the car with it again."),
    does: async () => {
      await act("put");
    },
  },
  {
    side: "courier",
    reads: 1_600,
    says: () => t("A photo, so that Ada sees where her parcel is."),
    does: (the) => photograph(the),
  },
  {
    side: "car",
    reads: 1_600,
    says: () => t("The lid goes down. The car locks by itself and signs a receipt for every step."),
    does: async (the) => {
      await act("shut");
      await until(() => !state(the).lid_up && state(the).locked, the.signal);
    },
  },
  {
    side: "courier",
    reads: 1_400,
    says: () => t("Kim is done, and can do nothing more at this car."),
    does: async (the) => {
      const over = () => the.now().scene.delivery === null;
      // With a photo the last receipt ends the job by itself.
      const done = await there("courier", "#stands", () => over() || button(), PATIENCE_S, the.signal).then(button);
      if (done && shown(done)) await finger("courier", done, () => done.click());
      await until(over, the.signal);
    },
  },
  {
    side: "owner",
    reads: 6_000,
    says: () => t("Ada sees each second of it: opened, shut, locked, key destroyed. She can keep a file that proves it."),
    does: async () => undefined,
  },
];
