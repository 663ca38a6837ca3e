// "Ask for help" on the page of a delivery: one request, however often it is pressed.
import { during } from "/static/controls.js";
import { ask } from "/static/requests.js";
import { t } from "/static/words.js";

/** The button of a delivery's page. `path`: of the delivery in the API. */
export function offerHelp(path) {
  const by = (id) => document.getElementById(id);
  by("help").addEventListener("click", () =>
    during(by("helping"), by("help-said"), async () => {
      const phone = by("help-phone").value.replace(/[\s().-]/g, "");
      const made = await ask("POST", `${path}/help`, { body: phone ? { phone } : {} });
      return made.state === "leased"
        ? t("Somebody is looking at it now.")
        : t("Your request is first in the list. Somebody looks at it as soon as one of us is free.");
    }),
  );
}
