// Everything that a person's own pages know of them, read over the API in their session and put together here.
import { ask } from "/static/requests.js";

const PAGE = 100;

/** All pages of a list that gives `next`. */
async function all(path) {
  const found = [];
  let after = null;
  do {
    const mark = after ? `&after=${encodeURIComponent(after)}` : "";
    const page = await ask("GET", `${path}${path.includes("?") ? "&" : "?"}limit=${PAGE}${mark}`);
    found.push(...page.data);
    // A list that goes on for ever gives a cursor at its end too, and says that there is no more.
    after = page.more === false ? null : page.next;
  } while (after);
  return found;
}

/** Whatever of `parts` this person may read; what their role does not show is left out. */
async function readable(parts) {
  const read = await Promise.all(
    Object.entries(parts).map(async ([name, work]) => {
      try {
        return [name, await work()];
      } catch (problem) {
        if (problem.status === 403) return null;
        throw problem;
      }
    }),
  );
  return Object.fromEntries(read.filter(Boolean));
}

async function car(role) {
  const path = `/v1/owner/cars/${role.vehicle}`;
  const rest = await readable({
    people: () => ask("GET", `${path}/people`),
    addresses: () => ask("GET", `${path}/addresses`),
    rules: () => ask("GET", `${path}/rules`),
    fallback: () => ask("GET", `${path}/fallback`),
    standing: () => ask("GET", `${path}/standing`),
    barred: () => ask("GET", `${path}/barred`),
    passkeys_in_it: () => ask("GET", `${path}/pairing`),
    deliveries: () => all(`/v1/owner/deliveries?vehicle=${role.vehicle}`),
    calls: () => ask("GET", `${path}/calls`),
    cases: () => ask("GET", `${path}/cases`),
  });
  return { role, ...rest };
}

/** The whole of it. Throws Refused. */
export async function exported() {
  const { data: cars } = await ask("GET", "/v1/owner/cars");
  const mine = await readable({
    me: () => ask("GET", "/v1/me"),
    approvals: () => ask("GET", "/v1/me/approvals"),
    passkeys: () => ask("GET", "/v1/me/passkeys"),
    recovery: () => ask("GET", "/v1/me/recovery"),
    devices: () => ask("GET", "/v1/me/devices"),
    sessions: () => ask("GET", "/v1/sessions"),
    notified: () => ask("GET", "/v1/owner/push-subscriptions"),
    notified_of: () => ask("GET", "/v1/owner/notifications"),
    events: () => all("/v1/events"),
  });
  return { written_at: new Date().toISOString(), ...mine, cars: await Promise.all(cars.map(car)) };
}
