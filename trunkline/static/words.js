// What scripts say, in the page's language: t("Opened at {time}", { time }), n("{count} parcel", "{count} parcels", count).
export const language = document.documentElement.lang || "en";

// Importers wait for the words (top-level await); without them the page speaks English rather than not at all.
const words = language === "en" ? {} : await read();

async function read() {
  try {
    const answer = await fetch(`/static/words.${language}.json`);
    return answer.ok ? await answer.json() : {};
  } catch {
    return {};
  }
}

function filled(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** The text in the page's language; {names} are filled from `values`. */
export function t(text, values = {}) {
  return filled([words[text] ?? text].flat()[0], values);
}

/** A name that no text of ours is, such as of a time zone's city, kept under its own code; empty where it has none. */
export const nameOf = (code) => String(words[code] ?? "");

/** One form or the other; {count} is filled by itself. */
export function n(one, many, count, values = {}) {
  const [single, plural] = [words[one]].flat().length === 2 ? words[one] : [one, many];
  return filled(count === 1 ? single : plural, { count, ...values });
}
