// Public keys and whose signatures count: thumbprints, points of small order, purposes, bundles of the roots.
import { checkBundle, checkJwks, checkRoots } from "./claims.js";
import { BUNDLE, holds, readObject } from "./jws.js";
import { Unacceptable, fromBase64url, hashText, isObject } from "./strict.js";

const P25519 = 2n ** 255n - 19n;
const Y8 = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n;
const SMALL_ORDER = [0n, 1n, P25519 - 1n, Y8, P25519 - Y8];
const P256 = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
const B256 = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;

const no = () => {
  throw new Unacceptable("signer");
};

function coordinate(value) {
  if (typeof value !== "string" || value.length !== 43) no();
  try {
    return fromBase64url(value);
  } catch {
    return no();
  }
}

const number = (bytes) => BigInt(`0x${bytes.toString("hex")}`);

export const thumbprint = (jwk) =>
  hashText(
    jwk.kty === "EC"
      ? `{"crv":"P-256","kty":"EC","x":"${jwk.x}","y":"${jwk.y}"}`
      : `{"crv":"Ed25519","kty":"OKP","x":"${jwk.x}"}`,
  );

/** An Ed25519 key `x` that is canonical and not of small order. */
function checkEd25519(x) {
  const bytes = coordinate(x);
  bytes.reverse();
  bytes[0] &= 0x7f;
  const y = number(bytes);
  if (y >= P25519 || SMALL_ORDER.includes(y)) no();
}

/** The header's `jwk`: exactly the public members of a point of P-256. Gives its thumbprint. */
export function checkDevice(jwk) {
  const members = Object.keys(jwk).sort().join(" ");
  if (members !== "crv kty x y" || jwk.kty !== "EC" || jwk.crv !== "P-256") no();
  const [x, y] = [number(coordinate(jwk.x)), number(coordinate(jwk.y))];
  if (x >= P256 || y >= P256 || (y * y - x * x * x + 3n * x - B256) % P256 !== 0n) no();
  return thumbprint(jwk);
}

/** Keys by their thumbprint, the version of the bundle that they are from (0: pinned) and its end. */
export class Trust {
  constructor(keys, version = 0n, expires = null) {
    this.version = version;
    this.expires = expires;
    this.keys = new Map();
    for (const key of keys) {
      checkEd25519(key.x);
      if (key.kid !== thumbprint(key) || this.keys.has(key.kid)) no();
      this.keys.set(key.kid, key);
    }
  }

  static ofJwks(document) {
    checkJwks(document);
    return new Trust(document.keys);
  }

  find(kid, purpose) {
    const key = typeof kid === "string" ? this.keys.get(kid) : undefined;
    return key?.purpose === purpose ? key : undefined;
  }

  signer(parts, purpose) {
    return this.find(parts.signer, purpose) ?? no();
  }

  /** Claims of an object that a key of `purpose` signed; `check` is its closed set. */
  async read(token, form, purpose, check) {
    const parts = readObject(token, form);
    const signer = this.signer(parts, purpose);
    if (!(await holds(token, form, signer))) throw new Unacceptable("signature");
    check(parts.claims);
    return parts.claims;
  }
}

/** Roots `{threshold, keys}`: each named by its thumbprint, none twice. */
class Roots {
  constructor(document) {
    checkRoots(document);
    this.threshold = Number(document.threshold);
    this.keys = new Map();
    for (const key of document.keys) {
      checkEd25519(key.x);
      if (key.kid !== thumbprint(key) || this.keys.has(key.kid)) no();
      this.keys.set(key.kid, key);
    }
  }

  /** Whether enough of them signed; who signed twice is one. */
  async agree(tokens, read) {
    const signed = new Set();
    for (const [place, { signer }] of read.entries()) {
      const root = this.keys.get(signer);
      if (root !== undefined && (await holds(tokens[place], BUNDLE, root))) signed.add(signer);
    }
    return signed.size >= this.threshold;
  }
}

const MOST_SIGNATURES = 8;

/**
 * A trust bundle `{bundle: [jws, ...]}`: one payload, signed by enough of the roots that we hold and by enough of
 * those that it names. Gives its claims and the trust that they make.
 */
export async function readBundle(document, heldRoots) {
  const tokens = isObject(document) && Object.keys(document).length === 1 ? document.bundle : null;
  if (!Array.isArray(tokens) || tokens.length < 1 || tokens.length > MOST_SIGNATURES) throw new Unacceptable("form");
  const read = tokens.map((token) => readObject(token, BUNDLE));
  if (new Set(tokens.map((token) => token.split(".")[1])).size !== 1) throw new Unacceptable("form");
  if (!(await new Roots(heldRoots).agree(tokens, read))) throw new Unacceptable("signature");
  const [{ claims }] = read;
  checkBundle(claims);
  const named = new Roots(claims.roots);
  if (!(await named.agree(tokens, read))) throw new Unacceptable("signature");
  if (claims.keys.some(({ kid }) => named.keys.has(kid))) throw new Unacceptable("claims");
  return { claims, trust: new Trust(claims.keys, claims.version, claims.exp) };
}
