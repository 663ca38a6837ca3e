// The link's token comes in the fragment, which no server sees. It is sent on with a form, never in an address.
const form = document.getElementById("open");
const token = location.hash.slice(1);
history.replaceState(null, "", location.pathname);
addEventListener("hashchange", () => location.reload());

if (token) {
  form.elements.token.value = token;
  form.hidden = false;
  form.requestSubmit();
} else {
  const title = document.getElementById("title");
  title.textContent = title.dataset.none;
  document.getElementById("none").hidden = false;
}
