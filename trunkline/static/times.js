// Moments as people read them: in the page's language, as the reader's country writes it, in the browser's time zone.
import { language, t } from "/static/words.js";

/** The page's language as this reader's country writes it ("nl-BE", "en-US"), where the browser names one. */
export const locale =
  (navigator.languages || []).find((one) => one.split("-")[0].toLowerCase() === language) || (language === "en" ? "en-GB" : language);

const TIME = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" });
const SECOND = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = { weekday: "short", day: "numeric", month: "short" };
const DATE = new Intl.DateTimeFormat(locale, DAY);
const DAY_TIME = new Intl.DateTimeFormat(locale, { ...DAY, hour: "2-digit", minute: "2-digit" });
const DAY_SECOND = new Intl.DateTimeFormat(locale, { ...DAY, hour: "2-digit", minute: "2-digit", second: "2-digit" });
const LONG = new Intl.DateTimeFormat(locale, { day: "numeric", month: "long", year: "numeric" });

function isToday(date) {
  return date.toDateString() === new Date().toDateString();
}

/** 14:30, with the day where it is not today. */
export function moment(text) {
  const date = new Date(text);
  return (isToday(date) ? TIME : DAY_TIME).format(date);
}

/** 14:30:05, with the day where it is not today. */
export function second(text) {
  const date = new Date(text);
  return (isToday(date) ? SECOND : DAY_SECOND).format(date);
}

/** 26 November 2026. */
export function dateOf(text) {
  return LONG.format(new Date(text));
}

/** "today, 14:00 to 16:00", or both days where it goes over midnight. */
export function span({ start, end }) {
  const [from, to] = [new Date(start), new Date(end)];
  if (from.toDateString() !== to.toDateString()) return t("{from} to {to}", { from: moment(from), to: DAY_TIME.format(to) });
  const hours = { from: TIME.format(from), to: TIME.format(to) };
  if (isToday(from)) return t("today, {from} to {to}", hours);
  return t("{day}, {from} to {to}", { day: DATE.format(from), ...hours });
}

/** The names of the days of the week, Monday first, as this language writes them. */
export function weekdays() {
  const name = new Intl.DateTimeFormat(locale, { weekday: "long", timeZone: "UTC" });
  return ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].map((day, index) => [day, name.format(Date.UTC(2024, 0, 1 + index))]);
}
