// The unit's clock: two bounds that only signed news set, and time moves apart (docs/keys.md 3.4).
const DRIFT = 100e-6;
const DAY = 86_400;
const A_DAY_AHEAD = 60;
const BEHIND = 60;
const OWN_ERROR = 0.1;

/** All times in seconds: `up` since the machine started, `wall` as somebody set it, the rest Unix time. */
export class Clock {
  constructor(floor) {
    this.floor = floor;
    this.heard = floor;
    this.bounds = null;
    this.moves = [];
  }

  hear(iat) {
    this.heard = Math.max(this.heard, iat);
  }

  raiseFloor(up, iat) {
    this.floor = Math.max(this.floor, iat);
    if (this.bounds === null) return;
    const { low, high } = this.after(up);
    const raised = Math.max(low, this.floor);
    this.bounds = { up, low: raised, high: Math.max(high, raised) };
  }

  /** News of `iat` for a nonce that was drawn at `drawn`: whether they set the time. */
  prove(up, iat, drawn) {
    if (this.floor - iat > BEHIND) return false;
    const low = Math.max(iat, this.floor, this.bounds === null ? 0 : this.after(up).low);
    this.bounds = { up, low, high: Math.max(low, iat + 1 + Math.max(0, up - drawn)) };
    this.heard = iat;
    this.raiseFloor(up, iat);
    return true;
  }

  /** `{state, earliest, latest}` in whole milliseconds, rounded outwards; no bounds count while unset. */
  read(up, wall) {
    if (this.bounds === null) return { state: "unset" };
    this.follow(up, wall);
    const { low, high } = this.after(up);
    if (this.heard - high > BEHIND) return { state: "unset" };
    const [earliest, latest] = [Math.floor(low * 1000), Math.ceil(high * 1000)];
    const agrees = Math.abs(wall - low) <= (latest - earliest) / 1000 + OWN_ERROR;
    return { state: agrees ? "synced" : "holdover", earliest, latest };
  }

  after(up) {
    const passed = Math.max(0, up - this.bounds.up);
    return { low: this.bounds.low + passed * (1 - DRIFT), high: this.bounds.high + passed * (1 + DRIFT) };
  }

  follow(up, wall) {
    const { low, high } = this.after(up);
    const ahead = wall - high;
    if (ahead <= OWN_ERROR) return;
    this.moves = this.moves.filter((move) => up - move.up < DAY);
    const left = A_DAY_AHEAD - this.moves.reduce((sum, { by }) => sum + by, 0);
    const by = Math.min(ahead / 2, left);
    if (by <= 0) return;
    this.moves.push({ up, by });
    this.bounds = { up, low, high: high + 2 * by };
  }
}
