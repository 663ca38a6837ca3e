// The one-time token comes in the fragment, which no server sees; it is sent when the button is pressed, not before.
const follow = document.getElementById("follow");
const ask = document.getElementById("ask");
const said = document.getElementById("said");
const token = location.hash.slice(1);
history.replaceState(null, "", location.pathname);

function say(text) {
  said.textContent = text;
}

async function post(path, body) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  const read = text ? JSON.parse(text) : {};
  if (!answer.ok) throw new Error(read.detail || "That did not work. Try again.");
  return read;
}

async function during(button, work) {
  button.disabled = true;
  say("One moment…");
  try {
    await work();
  } catch (problem) {
    say(problem.message);
    button.disabled = false;
  }
}

if (token && follow) {
  follow.hidden = false;
  const go = document.getElementById("go");
  go.addEventListener("click", () =>
    during(go, async () => {
      const made = await post(follow.dataset.post, { token });
      follow.hidden = true;
      if (follow.dataset.done) {
        say(follow.dataset.done);
        return;
      }
      // Only a path of ours, never another site.
      location.replace(/^\/(?![/\\])/.test(made.to) ? made.to : "/");
    }),
  );
} else if (ask) {
  ask.hidden = false;
  ask.addEventListener("submit", (event) => {
    event.preventDefault();
    const button = ask.querySelector("button");
    during(button, async () => {
      await post("/v1/sign-in", { email: ask.elements.email.value });
      say("If this is an e-mail address, a mail is on its way. Its link is good once, for some minutes.");
      button.disabled = false;
    });
  });
} else {
  say("This page is reached by the link of a mail.");
}
