// The owner's co-signature: one WebAuthn assertion over the key's other claims (docs/keys.md, "own").
import { createPublicKey, verify } from "node:crypto";

import { Unacceptable, base64url, fromBase64url, readJson, sha256 } from "./strict.js";

/** RFC 8785. ECMAScript's own JSON writes texts and numbers as it demands; only the names must be put in order. */
export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const names = Object.keys(value).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
}

export function ownerChallenge(claims) {
  const { own: _, ...others } = claims;
  return base64url(sha256(Buffer.concat([Buffer.from("trunkline.own.v1\0"), Buffer.from(canonical(others))])));
}

/** Step 12. `owners`: the passkeys paired at this car, `{cid, jwk, origin, rp_id}`. */
export function checkOwner(claims, owners) {
  const owner = owners.find((one) => one.cid === claims.own?.cid);
  if (owner === undefined) throw new Unacceptable("signer");
  const [authenticator, client, signature] = ["authData", "clientData", "sig"].map((name) =>
    fromBase64url(claims.own[name]),
  );
  const said = readJson(client);
  const meant =
    said.type === "webauthn.get" &&
    said.challenge === ownerChallenge(claims) &&
    said.origin === owner.origin &&
    (!("crossOrigin" in said) || said.crossOrigin === false) &&
    !("topOrigin" in said);
  if (!meant) throw new Unacceptable("claims");
  if (authenticator.length < 37 || !authenticator.subarray(0, 32).equals(sha256(Buffer.from(owner.rp_id)))) {
    throw new Unacceptable("claims");
  }
  const [present, verified] = [0x01, 0x04];
  if (!(authenticator[32] & present) || !(authenticator[32] & verified)) throw new Unacceptable("claims");
  const key = createPublicKey({ key: owner.jwk, format: "jwk" });
  const signed = Buffer.concat([authenticator, sha256(client)]);
  const hash = owner.jwk.kty === "EC" ? "sha256" : null;
  if (!verify(hash, signed, key, signature)) throw new Unacceptable("signature");
}
