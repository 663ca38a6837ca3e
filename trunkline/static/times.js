// Moments as people read them, in the time zone and the language of the browser.
function day(date) {
  return date.toLocaleDateString([], { weekday: "short", day: "numeric", month: "short" });
}

function isToday(date) {
  return date.toDateString() === new Date().toDateString();
}

/** 14:30, with the day where it is not today. */
export function moment(text) {
  const date = new Date(text);
  const time = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return isToday(date) ? time : `${day(date)}, ${time}`;
}

/** 14:30:05, with the day where it is not today. */
export function second(text) {
  const date = new Date(text);
  const time = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  return isToday(date) ? time : `${day(date)}, ${time}`;
}

/** "today, 14:00 to 16:00", or both days where it goes over midnight. */
export function span({ start, end }) {
  const [from, to] = [new Date(start), new Date(end)];
  const sameDay = from.toDateString() === to.toDateString();
  const time = (date) => date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const first = `${isToday(from) ? "today" : day(from)}, ${time(from)}`;
  return `${first} to ${sameDay ? time(to) : `${day(to)}, ${time(to)}`}`;
}
