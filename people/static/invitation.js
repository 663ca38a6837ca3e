// Reads an invitation and answers it; nothing is decided by opening the page.
const id = location.pathname.split("/").pop();
const what = document.getElementById("what");
const answer = document.getElementById("answer");
const said = document.getElementById("said");
const ROLES = { owner: "as an owner", driver: "as a driver", told: "to be told what happens" };
const STATES = {
  bound: "Done: the car is among yours.",
  accepted: "Accepted. It counts when the notice to the owners has passed.",
  cancelled: "This invitation was taken back.",
  lapsed: "This invitation is too old.",
};

async function ask(method, path, body) {
  const response = await fetch(path, {
    method,
    headers: body ? { "Content-Type": "application/json" } : {},
    body: body ? JSON.stringify(body) : undefined,
  });
  const text = await response.text();
  const read = text ? JSON.parse(text) : {};
  if (response.status === 401) throw new Error("Sign in first: ask for a link with the e-mail this went to.");
  if (!response.ok) throw new Error(read.detail || "That did not work. Try again.");
  return read;
}

function show(invitation) {
  what.textContent = `You are invited ${ROLES[invitation.role]}.`;
  answer.hidden = !["offered", "accepted"].includes(invitation.state);
  said.textContent = STATES[invitation.state] || "";
}

async function during(work) {
  said.textContent = "One moment…";
  try {
    await work();
  } catch (problem) {
    said.textContent = problem.message;
  }
}

answer.addEventListener("submit", (event) => {
  event.preventDefault();
  const code = answer.elements.code.value.trim();
  during(async () => show(await ask("POST", `/v1/invitations/${id}/acceptance`, code ? { code } : {})));
});
document.getElementById("decline").addEventListener("click", () =>
  during(async () => {
    await ask("DELETE", `/v1/invitations/${id}`);
    answer.hidden = true;
    said.textContent = "Declined.";
  }),
);
during(async () => show(await ask("GET", `/v1/invitations/${id}`)));
