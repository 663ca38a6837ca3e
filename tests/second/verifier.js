// What the car checks, in the order of docs/keys.md 3.3: steps 1 to 7 prove possession, 8 to 13 allow.
import { checkFresh, checkKey, checkProof } from "./claims.js";
import { FRESH, KEY, PROOF, holds, readObject } from "./jws.js";
import { checkOwner } from "./owner.js";
import { Unacceptable, hashText } from "./strict.js";
import { checkDevice } from "./trust.js";
import { mark, standing } from "./window.js";

const DEFAULT_FRA = 600n;
const EARTH_METRES = 6_371_008.8;

/** Nothing opens. `proven`: the peer holds the key and may be told the code. */
export class Refused extends Error {
  constructor(code, { proven = true, fault = "" } = {}) {
    super(code);
    Object.assign(this, { code, proven, fault });
  }
}

/** One unit: who it is, whom it trusts, and its one open challenge `{nonce, age}` (seconds since it was drawn). */
export class Unit {
  constructor({ unit, trust, challenge, challengeLife }) {
    Object.assign(this, { unit, trust, challenge, challengeLife });
  }

  takeChallenge() {
    const { challenge } = this;
    this.challenge = null;
    return challenge !== null && challenge.age < this.challengeLife ? challenge.nonce : null;
  }

  /** Steps 1 to 7. Whatever fails, fails as `refused`. */
  async prove({ key: token, proof: proofToken }) {
    try {
      const [key, proof] = [readObject(token, KEY), readObject(proofToken, PROOF)];
      const issuer = this.trust.signer(key, "key");
      if (!(await holds(token, KEY, issuer))) throw new Unacceptable("signature");
      checkKey(key.claims);
      if (key.claims.aud !== this.unit) throw new Unacceptable("audience");
      const challenge = this.takeChallenge();
      if (checkDevice(proof.signer) !== key.claims.cnf.jkt) throw new Unacceptable("signer");
      if (!(await holds(proofToken, PROOF, proof.signer))) throw new Unacceptable("signature");
      checkProof(proof.claims);
      const meant =
        proof.claims.aud === this.unit &&
        proof.claims.ath === hashText(token) &&
        proof.claims.act === key.claims.act &&
        challenge !== null &&
        proof.claims.nonce === challenge;
      if (!meant) throw new Unacceptable("audience");
      if ("cnonce" in key.claims && key.claims.cnonce !== challenge) throw new Unacceptable("audience");
      return { claims: key.claims, issuer, challenge };
    } catch (cause) {
      if (!(cause instanceof Unacceptable)) throw cause;
      throw new Refused("refused", { proven: false, fault: cause.fault });
    }
  }

  /** News signed for this unit: for a challenge of its own, or (nonce "") the list that is kept. */
  async news(token, nonce) {
    const claims = await this.trust.read(token, FRESH, "fresh", checkFresh);
    if (claims.aud !== this.unit || claims.nonce !== nonce) throw new Unacceptable("audience");
    return claims;
  }
}

/**
 * Steps 8 to 13: the window after the key's use, or `Refused`. `kept` and `fresh` are claims or null; `clock` is
 * `{state, at, u}` in milliseconds; the policy's spans are milliseconds.
 */
export function allow({ claims, issuer }, { trust, policy, clock, kept, fresh, window, car, owners }) {
  const [at, u] = [BigInt(clock.at), BigInt(clock.u)];
  const [earliest, latest] = [at - u, at + u];
  const usable = clock.state !== "unset" && u <= policy.clockError;
  checkTrust(claims, trust, { usable, latest });
  const news = [fresh, kept].filter((one) => one !== null);
  if (fresh === null) checkAge(claims, kept, policy, { usable, latest });
  if (news.some((one) => (one.bundle ?? 0n) > trust.version)) throw new Refused("stale_trust");
  checkTime(claims, issuer, policy, { usable, earliest, latest });
  if (news.some(({ rev }) => rev.dead.includes(claims.jti) || claims.seq < rev.min_seq)) {
    throw new Refused("revoked");
  }
  if (car.blocked) throw new Refused("blocked_by_owner");
  if (standing(window, claims.seq) !== "unused") throw new Refused("already_used");
  if ("own" in claims || policy.requireOwner) {
    try {
      checkOwner(claims, owners);
    } catch (cause) {
      if (!(cause instanceof Unacceptable)) throw cause;
      throw new Refused("owner_signature", { fault: cause.fault });
    }
  }
  if (!policy.acts.includes(claims.act)) throw new Refused("not_allowed");
  if (!car.parked || car.ignition_on || car.speed_kmh !== 0 || !car.doors_shut) throw new Refused("vehicle_state");
  if ("geo" in claims && !(car.position !== null && within(claims.geo.map(Number), car.position))) {
    throw new Refused("wrong_place");
  }
  return mark(window, claims.seq);
}

function checkTrust(claims, trust, { usable, latest }) {
  const over = trust.expires !== null && latest >= trust.expires * 1000n;
  if (trust.version < (claims.tbv ?? 0n) || (over && usable)) throw new Refused("stale_trust");
}

function checkAge(claims, kept, policy, { usable, latest }) {
  if (kept === null) throw new Refused("stale_trust");
  if (!usable) return;
  const asked = (claims.fra ?? DEFAULT_FRA) * 1000n;
  const most = asked < policy.listAge ? asked : policy.listAge;
  if (latest - kept.iat * 1000n > most || latest >= kept.exp * 1000n) throw new Refused("stale_trust");
}

function checkTime(claims, issuer, policy, { usable, earliest, latest }) {
  if (!usable || claims.iat * 1000n > latest + policy.clockError) throw new Refused("clock_untrusted");
  const since = issuer.nbf > claims.nbf ? issuer.nbf : claims.nbf;
  const until = issuer.exp < claims.exp ? issuer.exp : claims.exp;
  if (latest < since * 1000n) throw new Refused("too_early");
  if (earliest >= until * 1000n) throw new Refused("expired");
  const length = claims.exp - claims.nbf;
  if (length <= 0n || length * 1000n > policy.longestWindow) throw new Refused("bad_window");
}

/** Whether the great-circle distance (haversine) is within the fence `[latitude, longitude, metres]`. */
function within([latitude, longitude, metres], [hereLatitude, hereLongitude]) {
  const radians = (degrees) => (degrees * Math.PI) / 180;
  const [a, b] = [radians(latitude), radians(hereLatitude)];
  const [halfA, halfB] = [(b - a) / 2, radians(hereLongitude - longitude) / 2];
  const h = Math.sin(halfA) ** 2 + Math.cos(a) * Math.cos(b) * Math.sin(halfB) ** 2;
  return 2 * EARTH_METRES * Math.asin(Math.min(1, Math.sqrt(h))) <= metres;
}
