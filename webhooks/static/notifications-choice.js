// What this reader's browsers show of faults and visits, kept as soon as a box is ticked.
import { during } from "/static/controls.js";
import { ask } from "/static/requests.js";
import { t } from "/static/words.js";

const PATH = "/v1/owner/notifications";

/** Fill the boxes of `area`, each named after what it is about, and keep each change; `said` tells how it went. */
export async function showChoice(area, said) {
  const boxes = [...area.querySelectorAll("input")];
  let etag = "";
  const seen = (answer) => {
    etag = answer.headers.get("ETag");
  };
  const look = async () => {
    const chosen = await ask("GET", PATH, { seen });
    for (const box of boxes) box.checked = chosen[box.name];
  };
  const keep = async () => {
    const kept = await during(area, said, async () => {
      const body = Object.fromEntries(boxes.map((box) => [box.name, box.checked]));
      await ask("PUT", PATH, { body, headers: { "If-Match": etag }, seen });
      return t("Kept.");
    });
    if (!kept) await look().catch(() => {}); // the boxes show what holds, not what was wished
  };
  await look();
  let last = Promise.resolve();
  area.addEventListener("change", () => {
    last = last.then(keep); // two quick ticks are kept one after the other
  });
}
