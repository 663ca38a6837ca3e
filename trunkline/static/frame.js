// The frame of every page: another language is chosen without losing where one is, the part after # included.
const tongues = document.getElementById("tongues");

tongues?.addEventListener("submit", async (event) => {
  if (!event.submitter) return;
  event.preventDefault();
  const body = new URLSearchParams({ language: event.submitter.value, back: tongues.elements.back.value });
  // The answer leads back here; the cookie is what counts.
  await fetch(tongues.action, { method: "POST", body, redirect: "manual" }).catch(() => undefined);
  location.reload();
});
