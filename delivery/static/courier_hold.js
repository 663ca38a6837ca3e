// A button that has to be held: by finger, mouse, Space or Enter; and the plain way for who cannot hold.
import { element } from "/static/controls.js";

export const HOLD_MS = 800;

/** Call `work` once the button was held for 0.8 s without a break. Letting go, leaving it, or another window ends the hold. */
export function hold(button, work) {
  let timer = 0;

  function begin() {
    if (timer || button.getAttribute("aria-disabled") === "true") return;
    button.classList.add("holding");
    document.addEventListener("visibilitychange", end);
    timer = setTimeout(() => {
      end();
      work();
    }, HOLD_MS);
  }

  function end() {
    clearTimeout(timer);
    timer = 0;
    button.classList.remove("holding");
    document.removeEventListener("visibilitychange", end);
  }

  button.addEventListener("pointerdown", (event) => {
    if (event.isPrimary && event.button === 0) begin();
  });
  for (const gone of ["pointerup", "pointercancel", "pointerleave", "blur", "keyup"]) button.addEventListener(gone, end);
  button.addEventListener("keydown", (event) => {
    if (event.key !== " " && event.key !== "Enter") return;
    event.preventDefault(); // a key that repeats would press it many times
    begin();
  });
  // A long press opens no menu.
  button.addEventListener("contextmenu", (event) => event.preventDefault());
}

/** The plain way: one press asks in its place, the second does it. `yes` and `no` are the two answers. */
export function twoTaps(button, { question, yes, no }, work) {
  button.addEventListener("click", () => {
    const agree = element("button", { type: "button", className: "big" }, yes);
    const keep = element("button", { type: "button", className: "quiet big" }, no);
    const words = element("p", { tabIndex: -1 }, question);
    const group = element("div", { className: "sure", role: "group", "aria-label": question }, words, agree, keep);
    const back = () => {
      group.replaceWith(button);
      if (button.isConnected) button.focus();
    };
    keep.addEventListener("click", back);
    agree.addEventListener("click", () => {
      back();
      work();
    });
    button.replaceWith(group);
    words.focus();
  });
}
