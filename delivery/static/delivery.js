// A delivery of the signed-in person: what happened with seconds, the key's true state, and Block while it helps.
const by = (id) => document.getElementById(id);
const card = by("delivery");
const path = `/v1/owner/deliveries/${card.dataset.id}`;

function say(text) {
  by("said").textContent = text;
}

function time(text) {
  return new Date(text).toLocaleString([], { dateStyle: "medium", timeStyle: "medium" });
}

function key(read) {
  const words = {
    none: "none was made",
    made: "made, waits for the courier",
    ending: "being destroyed: waiting for the car to confirm",
    destroyed: "destroyed",
  };
  const how = {
    consumed: "used up",
    confirmed_by_car: "confirmed by the car",
    never_handed_out: "it never left our house",
    expired: "its time was over",
    indeterminate: "burnt: the car lost power while opening",
    lapsed: "it was never made",
  };
  const dies = read.state === "ending" && read.dies_at ? `; dies by itself at ${time(read.dies_at)}` : "";
  return `${words[read.state]}${read.how ? `, ${how[read.how] || read.how}` : ""}${dies}`;
}

function show(read) {
  by("title").textContent = `${read.carrier_name}: ${read.kind === "pickup" ? "pickup" : "delivery"}`;
  by("state").textContent = read.state.replaceAll("_", " ");
  by("who").textContent = [read.carrier_name, read.courier_name].filter(Boolean).join(", ");
  by("when").textContent = `${time(read.window.start)} to ${time(read.window.end)}`;
  by("key").textContent = key(read.key);
  const rows = read.timeline.map(([at, what]) => {
    const row = document.createElement("li");
    const when = document.createElement("time");
    when.dateTime = at;
    when.textContent = time(at);
    row.append(when, ` ${what.replaceAll("_", " ")}`);
    return row;
  });
  by("timeline").replaceChildren(...rows);
  by("block").hidden = !read.can_block;
  card.hidden = false;
}

async function load() {
  const answer = await fetch(path, { headers: { Accept: "application/json" } });
  if (answer.status === 401) {
    by("sign-in").hidden = false;
    return false;
  }
  const read = await answer.json();
  if (!answer.ok) throw new Error(read.detail || "This delivery cannot be shown.");
  show(read);
  return true;
}

async function block() {
  by("block").disabled = true;
  say("One moment…");
  const answer = await fetch(`${path}/block`, { method: "POST" });
  const read = await answer.json();
  by("block").disabled = false;
  if (answer.ok) show(read);
  say(answer.ok ? "Blocked. The key's state is shown above." : read.detail);
}

function follow() {
  const events = new EventSource(`${path}/events`);
  events.addEventListener("open", () => (by("live").textContent = "live"));
  events.addEventListener("error", () => (by("live").textContent = "reconnecting"));
  events.addEventListener("delivery", () => load().catch((problem) => say(problem.message)));
}

by("block").addEventListener("click", () => block().catch((problem) => say(problem.message)));
load()
  .then((seen) => seen && follow())
  .catch((problem) => say(problem.message));
