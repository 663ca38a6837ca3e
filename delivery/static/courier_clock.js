// The service's time: what this phone signs is good for a minute, and a phone's own clock may be off by more.
const OFF_MS = 3_000;
const KEPT = "courier-clock";
/** Kept, because without network a key must not seem to be over. */
let offset = Number(localStorage.getItem(KEPT)) || 0;

/** Learn from an answer's `Date` header; gives whether the clock that was used before was off. */
export function learn(header) {
  const said = Date.parse(header || "");
  if (Number.isNaN(said)) return false;
  // The header counts whole seconds.
  const found = said + 500 - Date.now();
  const off = Math.abs(found - offset) > OFF_MS;
  if (off) {
    offset = found;
    localStorage.setItem(KEPT, String(found));
  }
  return off;
}

/** Milliseconds since 1970, as the service counts them. */
export const now = () => Date.now() + offset;
