// Enrols this phone: a code by link, by camera or typed; then the phone's own key is what signs in.
import { Refused, send } from "/courier/api.js";
import { device, enrolled, enrolment, putBack } from "/courier/device.js";
import { possible, scanWith } from "/courier/scan.js";
import { during, say } from "/static/controls.js";
import { t } from "/static/words.js";

const by = (id) => document.getElementById(id);
const CODE = /^[0-9a-z]{5}[\s-]?[0-9a-z]{5}$/i;

/** The code in a scanned text: bare, or behind the # of this page's address; "" where it is something else. */
export function codeIn(text) {
  let code = text.trim();
  try {
    const url = new URL(code);
    if (url.origin !== location.origin || url.pathname !== "/courier") return "";
    code = decodeURIComponent(url.hash.slice(1));
  } catch {
    // not an address, so the code itself
  }
  return CODE.test(code) ? code.toUpperCase() : "";
}

async function enrol(code, again = true) {
  try {
    const made = await send("POST", "/v1/courier/enrolment", { json: await enrolment(code) });
    await enrolled(made);
  } catch (problem) {
    if (problem.code === "device.proof" && problem.clock && again) return enrol(code, false);
    if (problem.reached && problem.status < 500) await putBack();
    if (problem instanceof Refused && problem.code === "network")
      throw new Error(t("No answer came, so we cannot tell whether it was done. Press again: the same once more does no harm."));
    throw problem;
  }
}

/** Show the screen. `code`: from the address, filled in but not used before the button. `done()`: the phone is enrolled. */
export async function showEnrol(code, done) {
  const known = await device();
  by("enrol").hidden = false;
  by("enrolled-as").hidden = !(known && known.courier);
  if (known && known.courier) by("enrolled-as").textContent = t("This phone is enrolled for {name}. A new code replaces that.", { name: known.name });
  if (code) by("code").value = code;
  finished = done;
}
let finished = () => undefined;

async function start(code) {
  const worked = await during(by("enrol"), by("enrol-said"), async () => {
    await enrol(code);
    by("code").value = "";
  });
  if (worked) finished();
}

by("enrol-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const code = codeIn(by("code").value);
  if (code) start(code);
  else say(by("enrol-said"), t("A code has two groups of five letters and digits, like 7K3M9-QXD4H."), "bad");
});

let scanning = false;
by("enrol-scan").hidden = !possible;
by("enrol-scan").addEventListener("click", async () => {
  if (scanning) return;
  scanning = true;
  say(by("enrol-said"), t("Hold the code of your dispatch before the camera."));
  try {
    const text = await scanWith(by("enrol-scan"), by("enrol-camera"), t("Stop scanning"));
    const code = codeIn(text);
    if (code) by("code").value = code;
    say(by("enrol-said"), text && !code ? t("This is not an enrolment code. Scan the one that your dispatch shows.") : "", "bad");
    if (code) await start(code);
  } catch (problem) {
    say(by("enrol-said"), problem.message, "bad");
  } finally {
    scanning = false;
  }
});
