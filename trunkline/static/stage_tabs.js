// On a narrow screen one side is shown at a time: tabs by finger and arrow keys, with a dot where something is new.
const SIDES = ["car", "owner", "courier", "desk"];
const by = (id) => document.getElementById(id);

/** Show this side; on a wide screen all are shown, and this one comes into view. */
export function look(side) {
  for (const one of SIDES) {
    const tab = by(`tab-${one}`);
    tab.setAttribute("aria-selected", String(one === side));
    tab.tabIndex = one === side ? 0 : -1;
    by(`board-${one}`).classList.toggle("shown", one === side);
  }
  by(`tab-${side}`).classList.remove("news");
}

/** Something came on this side. */
export function newsAt(side) {
  if (by(`tab-${side}`).getAttribute("aria-selected") !== "true") by(`tab-${side}`).classList.add("news");
}

export function keepTabs() {
  for (const side of SIDES) by(`tab-${side}`).addEventListener("click", () => look(side));
  document.querySelector("[role='tablist']").addEventListener("keydown", (event) => {
    const at = SIDES.findIndex((side) => by(`tab-${side}`) === document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: SIDES.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    const side = SIDES[(to + SIDES.length) % SIDES.length];
    look(side);
    by(`tab-${side}`).focus();
  });
  look("car");
}
