// What is done with the case: the number, the outcome, a visit booked on the phone, the lock, giving it back.
import { during, element } from "/static/controls.js";
import { once } from "/static/requests.js";
import { second } from "/static/times.js";
import { t } from "/static/words.js";
import { showOffers } from "/desk/desk_booking.js";
import { showOutcomes } from "/desk/desk_case.js";
import { save } from "/desk/desk_draft.js";
import { leave, lose } from "/desk/desk_lease.js";
import { ask, by, desk } from "/desk/desk_state.js";
import { outcomeWords, plainCode, stateWords } from "/desk/desk_words.js";

const said = by("said");

/** The case goes nowhere while what was written about it is not kept. */
async function saved() {
  if (!(await save())) throw new Error(t("Answers and note are not saved, so nothing else was done. See below them why, then try again."));
}

/** Something done with the case; a lost lease is shown, and what was written stays. */
async function act(work) {
  if (!desk.held) return false;
  return during(by("case"), said, async () => {
    try {
      return await work(`/v1/desk/cases/${desk.held.case}`, { token: desk.held.token });
    } catch (problem) {
      if (problem.code === "desk.lease_lost") lose();
      throw problem;
    }
  });
}

/** Reserve the call and show the number; then the outcomes have the focus. */
export async function dial(whom) {
  const worked = await act(async (path, body) => {
    const number = await ask("POST", `${path}/dial`, { body: whom ? { ...body, whom } : body });
    by("number").replaceChildren(element("a", { href: `tel:${number.phone}` }, number.phone));
    by("number").hidden = false;
    by("number-says").textContent = number.safety
      ? t("Call {n} of this case. At this hour only because it is critical; the owner sees that.", { n: number.n })
      : t("Call {n} of this case.", { n: number.n });
    by("number-says").hidden = false;
    const read = await ask("GET", path);
    desk.held.read = read;
    showOutcomes(read.outcomes);
    if (read.what === "fault") await showOffers(path, book);
    return "";
  });
  if (worked) by("outcomes").focus();
}

/** What came of it: the case goes where the outcome says. */
export async function settle(disposition) {
  let went = null;
  const worked = await act(async (path, body) => {
    await saved();
    const told = { ...body, disposition };
    if (disposition === "callback_at") {
      if (!by("at").value) throw new Error(t("Say first when to call back, on the customer's clock."));
      told.local = by("at").value;
    }
    if (disposition === "language" && by("language").value) told.language = by("language").value;
    went = await ask("POST", `${path}/disposition`, { body: told, wish: once() });
    return "";
  });
  if (!worked) return;
  const values = { outcome: outcomeWords(disposition), state: stateWords(went.state), time: went.due ? second(went.due) : "" };
  leave(went.due ? t("{outcome}: the case {state} until {time}.", values) : t("{outcome}: the case {state}.", values));
}

/** A time was pressed: the slot is booked, then the outcome told; both once. */
async function book(slot, words) {
  let went = null;
  const worked = await act(async (path, body) => {
    await saved();
    try {
      await ask("POST", `${path}/book`, { body: { ...body, slot } });
    } catch (problem) {
      if (problem.status === 409) showOffers(path, book);
      throw problem;
    }
    went = await ask("POST", `${path}/disposition`, { body: { ...body, disposition: "booked" }, wish: once() });
    return "";
  });
  if (worked) leave(t("Booked: {when}. The case is {state}; owner and garage get the invitation.", { when: words, state: stateWords(went.state) }));
}

async function lock() {
  await act(async (path, body) => {
    const told = await ask("POST", `${path}/lock`, { body });
    if (told.outcome === "done") return t("The car says that it is locked.");
    return t("Not certain: {outcome} {code}. Look at what happened, and try again.", { outcome: plainCode(told.outcome), code: told.code });
  });
}

/** Back to the list, as old as it was. */
export async function release() {
  const worked = await act(async (path, body) => {
    await saved();
    await ask("POST", `${path}/release`, { body });
    return t("It is back on the list, as old as it was.");
  });
  if (worked) leave("");
}

async function close() {
  const worked = await act(async (path, body) => {
    await saved();
    await ask("POST", `${path}/close`, { body });
    return "";
  });
  if (worked) leave(t("Help was given."));
}

for (const id of ["dial", "dial-other"]) by(id).addEventListener("click", () => dial(by(id).dataset.whom));
by("lock").addEventListener("click", lock);
by("release").addEventListener("click", release);
by("close").addEventListener("click", close);
by("outcomes").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) settle(button.dataset.outcome);
});
