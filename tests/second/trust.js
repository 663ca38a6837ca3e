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

function rootsOf(document) {
  checkRoots(document);
  const known = new Map();
  for (const key of document.keys) {
    checkEd25519(key.x);
    if (key.kid !== thumbprint(key) || known.has(key.kid)) no();
    known.set(key.kid, key);
  }
  return known;
}

/**
 * A trust bundle: one payload, signed by the threshold of the roots that we hold and, where it names other roots,
 * by the threshold of those as well. Gives its claims and the trust that they make.
 */
export async function readBundle(document, roots) {
  if (!isObject(document) || Object.keys(document).join() !== "bundle" || !Array.isArray(document.bundle)) {
    throw new Unacceptable("form");
  }
  if (document.bundle.length < 1 || document.bundle.length > 6) throw new Unacceptable("form");
  const read = document.bundle.map((token) => readObject(token, BUNDLE));
  const [{ claims }] = read;
  const payloads = new Set(document.bundle.map((token) => token.split(".")[1]));
  if (payloads.size !== 1) throw new Unacceptable("claims");
  checkBundle(claims);
  const [held, named] = [rootsOf(roots), rootsOf(claims.roots)];
  const signed = new Set();
  for (const [place, parts] of read.entries()) {
    const root = held.get(parts.signer) ?? named.get(parts.signer) ?? no();
    if (!(await holds(document.bundle[place], BUNDLE, root))) throw new Unacceptable("signature");
    signed.add(parts.signer);
  }
  for (const circle of [held, named]) {
    if ([...signed].filter((kid) => circle.has(kid)).length < 2) no();
  }
  return { claims, trust: new Trust(claims.keys, claims.version, claims.exp) };
}
