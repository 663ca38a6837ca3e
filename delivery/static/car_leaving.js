// Giving a car up, or leaving it: what ends with it is said before, and asked twice.
import { during, element, twice } from "/static/controls.js";
import { ask } from "/static/requests.js";
import { t } from "/static/words.js";

/** Fill `area`. `path`: of the car in the API; `me`: the reader's id; `owns`: whether the reader is an owner. */
export function leaving(area, path, me, owns) {
  const said = element("p", { className: "said", role: "status" });
  const leave = act(
    area,
    said,
    [t("Leave this car"), t("Leave this car? You see nothing of it any more. To come back, you have to be invited."), t("Yes, leave")],
    () => ask("DELETE", `${path}/people/${me}`),
  );
  if (!owns) {
    area.replaceChildren(element("p", {}, t("You can leave this car; its owners keep it.")), leave, said);
    return;
  }
  const release = act(
    area,
    said,
    [
      t("Give this car up"),
      t("Give this car up, for everybody? Every role, address, rule and key of it ends. A passkey that is paired in the car has to be erased there."),
      t("Yes, give it up"),
    ],
    () => ask("POST", `${path}/release`),
  );
  area.replaceChildren(
    element("p", {}, t("Sold, or the lease is over: with giving it up every role, address, rule and key ends for everybody. If another owner keeps it, leave instead.")),
    leave,
    release,
    said,
  );
}

function act(area, said, [words, question, yes], does) {
  const button = element("button", { type: "button", className: "bad" }, words);
  twice(button, question, yes, async () => {
    const worked = await during(area, said, does);
    if (worked) location.assign("/");
  });
  return button;
}
