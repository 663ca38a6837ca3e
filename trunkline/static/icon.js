// One of our signs as an element: icon("parcel"). It only decorates; the words beside it say what it means.
const SVG = "http://www.w3.org/2000/svg";

/** `name`: a symbol of /static/icons.svg; `size`: "" as high as the text, or "big". */
export function icon(name, size = "") {
  const made = document.createElementNS(SVG, "svg");
  made.setAttribute("class", size ? `icon ${size}` : "icon");
  made.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `/static/icons.svg#${name}`);
  made.append(use);
  return made;
}
