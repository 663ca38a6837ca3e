// Compact JWS: canonical form and closed header by hand, the signature by jose.
import { compactVerify, importJWK } from "jose";

import { Unacceptable, fromBase64url, isObject, readJson } from "./strict.js";

const form = (typ, alg, names, most) => ({ typ, alg, names, most });

export const KEY = form("tl-key+jwt", "Ed25519", "kid", 2048);
export const PROOF = form("tl-pop+jwt", "ES256", "jwk", 2048);
export const FRESH = form("tl-fresh+jwt", "Ed25519", "kid", 4096);
export const BUNDLE = form("tl-bundle+jwt", "Ed25519", "kid", 16_384);
export const RECEIPT = form("tl-receipt+jwt", "Ed25519", "kid", 4096);
export const RECORD = form("tl-record+jwt", "Ed25519", "kid", 2048);

const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{86}$/;

/** Steps 1 and 2: `{signer, claims}` of an object in canonical form with its exact header. Not verified yet. */
export function readObject(token, { typ, alg, names, most }) {
  if (typeof token !== "string" || token.length > most) throw new Unacceptable("size");
  if (!COMPACT.test(token)) throw new Unacceptable("form");
  const [headerBytes, payload] = token.split(".").map(fromBase64url);
  const [header, claims] = [readJson(headerBytes), readJson(payload)];
  const members = Object.keys(header).sort().join(" ");
  if (members !== ["alg", names, "typ"].sort().join(" ")) throw new Unacceptable("header");
  if (header.alg !== alg || header.typ !== typ) throw new Unacceptable("header");
  const signer = header[names];
  if (names === "kid" ? typeof signer !== "string" : !isObject(signer)) throw new Unacceptable("header");
  return { signer, claims };
}

const imported = new Map();

/** Whether the public `jwk` signed `token`, by the one algorithm of its form. */
export async function holds(token, { alg }, { kty, crv, x, y }) {
  const name = `${alg} ${x} ${y}`;
  try {
    if (!imported.has(name)) imported.set(name, await importJWK({ kty, crv, x, y }, alg));
    await compactVerify(token, imported.get(name), { algorithms: [alg] });
    return true;
  } catch {
    return false;
  }
}
