// What every page does with its elements: make them, say how work went, and ask twice before what cannot be undone.
import { t } from "/static/words.js";

/** `element("p", { className: "muted" }, "text", node)`; names with a dash become attributes. */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-") || key === "role") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children);
  return made;
}

/** Rows of a description list; one without a description is left out. */
export function rows(list, pairs) {
  list.replaceChildren(
    ...pairs
      .filter(([, description]) => description)
      .map(([term, description]) =>
        element("div", {}, element("dt", {}, term), element("dd", {}, description)),
      ),
  );
}

/** The status line of a page or part: `tone` is "", "good" or "bad". */
export function say(line, text, tone = "") {
  line.textContent = text;
  line.className = tone ? `said ${tone}` : "said";
}

/**
 * Do `work` once at a time for an area of the page; a Refused is said in its own words. Buttons keep the focus:
 * a second press is not heard while the first one works. Gives whether it worked.
 */
export async function during(area, line, work) {
  if (area.getAttribute("aria-busy") === "true") return false;
  area.setAttribute("aria-busy", "true");
  say(line, t("One moment…"));
  try {
    say(line, (await work()) || "", "good");
    return true;
  } catch (problem) {
    say(line, problem.message, "bad");
    return false;
  } finally {
    area.removeAttribute("aria-busy");
  }
}

/** Pressing `button` asks `question` in its place; only `yes` does `work`, "Keep it" puts the button back. */
export function twice(button, question, yes, work) {
  button.addEventListener("click", () => {
    const words = element("p", { tabIndex: -1 }, question);
    const agree = element("button", { type: "button", className: "bad full" }, yes);
    const keep = element("button", { type: "button", className: "quiet" }, t("Keep it"));
    const group = element("div", { className: "sure", role: "group", "aria-label": question }, words, agree, keep);
    const back = () => {
      group.replaceWith(button);
      if (button.isConnected && !button.hidden) button.focus();
    };
    keep.addEventListener("click", back);
    agree.addEventListener("click", async () => {
      if (group.getAttribute("aria-busy") === "true") return;
      group.setAttribute("aria-busy", "true");
      await work();
      back();
    });
    button.replaceWith(group);
    words.focus();
  });
}

/** Show an element and put the focus on it, so that what was said is heard and seen. */
export function lead(to) {
  to.hidden = false;
  to.tabIndex = -1;
  to.focus();
}
