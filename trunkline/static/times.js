// Moments as people read them: in the page's language, as the reader's country writes it, by the car's clock where one is given.
import { language, nameOf, t } from "/static/words.js";

/** The page's language as this reader's country writes it ("nl-BE", "en-US"), where the browser names one. */
export const locale =
  (navigator.languages || []).find((one) => one.split("-")[0].toLowerCase() === language) || (language === "en" ? "en-GB" : language);

/** The time zone of this browser's clock. */
export const here = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

const HOUR = { hour: "2-digit", minute: "2-digit" };
const SECOND = { ...HOUR, second: "2-digit" };
const DAY = { weekday: "short", day: "numeric", month: "short" };
const STYLES = {
  hour: HOUR,
  second: SECOND,
  day: DAY,
  dayHour: { ...DAY, ...HOUR },
  daySecond: { ...DAY, ...SECOND },
  date: { day: "numeric", month: "long", year: "numeric" },
};
/** As a field of local time writes it, whatever the language. */
const WALL = { year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", hourCycle: "h23" };
const made = new Map();

/** Made once each; a zone that this browser does not know is the browser's own. */
function clock(style, zone) {
  const key = `${style} ${zone || ""}`;
  if (!made.has(key)) made.set(key, style === "wall" ? formatter("en-u-ca-gregory-nu-latn", WALL, zone) : formatter(locale, STYLES[style], zone));
  return made.get(key);
}

function formatter(tongue, style, zone) {
  try {
    return new Intl.DateTimeFormat(tongue, { ...style, timeZone: zone || undefined });
  } catch {
    return new Intl.DateTimeFormat(tongue, style);
  }
}

/** What a clock on the wall of `zone` shows, as if it were UTC: milliseconds, to the minute. */
function wall(date, zone) {
  const { year, month, day, hour, minute } = Object.fromEntries(clock("wall", zone).formatToParts(date).map((part) => [part.type, Number(part.value)]));
  return Date.UTC(year, month - 1, day, hour, minute);
}

function sameDay(one, other, zone) {
  return clock("date", zone).format(one) === clock("date", zone).format(other);
}

/** Whether the clocks of a zone and of this browser differ at a moment. */
function differs(date, zone) {
  return Boolean(zone) && wall(date, zone) !== wall(date);
}

/** "Helsinki", "Helsingfors": zones are named after their places, and no browser knows these in other languages. */
const city = (zone) => nameOf(zone) || zone.split("/").at(-1).replaceAll("_", " ");

function named(time, date, zone) {
  return differs(date, zone) ? t("{time} (car's time, {city})", { time, city: city(zone) }) : time;
}

/** The same without the zone's name: of a moment beside one that has it. */
export function beside(text, zone) {
  return bare(new Date(text), zone);
}

function bare(date, zone) {
  return clock(sameDay(date, new Date(), zone) ? "hour" : "dayHour", zone).format(date);
}

/** 14:30, with the day where it is not today. `zone`: the car's (IANA), which is named where its clock shows something else. */
export function moment(text, zone) {
  const date = new Date(text);
  return named(bare(date, zone), date, zone);
}

/** 14:30:05, with the day where it is not today. The zone is not named: a list of them has a note (`clockNote`). */
export function second(text, zone) {
  const date = new Date(text);
  return clock(sameDay(date, new Date(), zone) ? "second" : "daySecond", zone).format(date);
}

/** Says once for many moments by whose clock they are; empty where that is the browser's too. */
export function clockNote(zone) {
  return differs(new Date(), zone) ? t("Times are by the car's clock, in {city}.", { city: city(zone) }) : "";
}

/** 26 November 2026. */
export function dateOf(text) {
  return clock("date").format(new Date(text));
}

/** "today, 14:00 to 16:00", or both days where it goes over midnight; by the car's clock as `moment`. */
export function span({ start, end }, zone) {
  const [from, to] = [new Date(start), new Date(end)];
  return named(told(from, to, zone), from, zone);
}

function told(from, to, zone) {
  if (!sameDay(from, to, zone)) return t("{from} to {to}", { from: bare(from, zone), to: clock("dayHour", zone).format(to) });
  const hours = { from: clock("hour", zone).format(from), to: clock("hour", zone).format(to) };
  if (sameDay(from, new Date(), zone)) return t("today, {from} to {to}", hours);
  return t("{day}, {from} to {to}", { day: clock("day", zone).format(from), ...hours });
}

/** A moment as a field of local time takes it. */
export function toField(date, zone) {
  return new Date(wall(date, zone)).toISOString().slice(0, 16);
}

/** The moment that such a field names: of an hour that comes twice the later one, of one that is left out an hour on. */
export function fromField(value, zone) {
  const shown = Date.parse(`${value}Z`);
  const off = (at) => wall(new Date(at), zone) - at;
  return new Date(shown - off(shown - off(shown)));
}

/** The names of the days of the week, Monday first, as this language writes them. */
export function weekdays() {
  const name = new Intl.DateTimeFormat(locale, { weekday: "long", timeZone: "UTC" });
  return ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].map((day, index) => [day, name.format(Date.UTC(2024, 0, 1 + index))]);
}
