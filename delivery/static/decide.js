// The link's token comes in the fragment, which no server sees. Opening the page looks; only a button decides.
const by = (id) => document.getElementById(id);
const token = location.hash.slice(1);
let shown = "";

function say(text) {
  by("said").textContent = text;
}

async function post(path, body) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const read = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(read.detail || "That did not work. Try again.");
  return read;
}

function time(text) {
  return new Date(text).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

function place(where) {
  if (where.kind === "anywhere") return "wherever the car stands";
  if (where.kind === "circle") return `within ${where.radius_m} m of ${where.centre.join(", ")}`;
  return `inside the area you drew (${where.corners.length} corners)`;
}

function car(now, outBy) {
  const words = {
    awake: "can be reached now",
    dozing: "is dozing and answers within some seconds",
    asleep: "is asleep: it cannot be opened until it wakes",
    no_coverage: "has no network now",
  };
  const seen = now.last_seen ? `, last heard ${time(now.last_seen)}` : "";
  const out = outBy ? `; it stands ${outBy} m outside the place` : "";
  return `${words[now.reach] || now.reach}${seen}${out}`;
}

function done(state, decided) {
  by("answers").hidden = true;
  if (decided === "approve") say("Approved. You can block it until the lock moves: see your deliveries.");
  else if (decided === "decline") say("Declined. Nothing will be opened.");
  else if (state !== "asked") say("Nothing is asked any more.");
}

async function answer(decision, silent) {
  for (const id of ["approve", "decline", "silent"]) by(id).disabled = true;
  say("One moment…");
  try {
    const read = await post("/v1/questions/decide", { token, decision, shown, silent });
    done(read.state, read.decided);
  } catch (problem) {
    say(problem.message);
    for (const id of ["approve", "decline", "silent"]) by(id).disabled = false;
  }
}

async function open() {
  const read = await post("/v1/questions/open", { token });
  const asked = read.content;
  shown = read.shown;
  by("who").textContent = asked.carrier.name;
  by("courier").textContent = asked.courier ? asked.courier.name : "not named yet";
  const what = asked.kind === "pickup" ? "fetch something from" : "leave something in";
  const where = asked.opens === "cabin" ? "the boot and the cabin" : "the boot";
  by("what").textContent = `${what} ${where}`;
  by("when").textContent = `${time(asked.window.start)} to ${time(asked.window.end)}`;
  by("where").textContent = place(asked.place);
  by("car").textContent = read.car ? car(read.car, read.out_by_m) : "";
  by("until").textContent = time(read.expires_at);
  by("question").hidden = false;
  if (read.decided || read.state !== "asked") return done(read.state, read.decided);
  by("answers").hidden = false;
  by("approve").addEventListener("click", () => answer("approve", false));
  by("decline").addEventListener("click", () => answer("decline", false));
  by("silent").addEventListener("click", () => answer("decline", true));
}

history.replaceState(null, "", location.pathname);
if (token) open().catch((problem) => say(problem.message));
else say("This page is reached by the link of a mail.");
