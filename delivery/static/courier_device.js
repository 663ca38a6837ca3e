// The phone's own key (P-256): made here, not exportable, and what is signed with it.
import { now } from "/courier/clock.js";
import { clear, get, put } from "/courier/store.js";

const SIGN = { name: "ECDSA", hash: "SHA-256" };
const CURVE = { name: "ECDSA", namedCurve: "P-256" };
const LIFE_S = 50;
const text = new TextEncoder();

export function base64url(bytes) {
  let raw = "";
  for (const byte of new Uint8Array(bytes)) raw += String.fromCharCode(byte);
  return btoa(raw).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

const json = (value) => base64url(text.encode(JSON.stringify(value)));

async function sha256(words) {
  return crypto.subtle.digest("SHA-256", text.encode(words));
}

/** The claims of a signed object, unverified: the car verifies. */
export function claims(token) {
  const part = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
  return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(part), (letter) => letter.charCodeAt(0))));
}

async function sign(device, header, said) {
  const signed = `${json({ alg: "ES256", ...header })}.${json(said)}`;
  return `${signed}.${base64url(await crypto.subtle.sign(SIGN, device.keys.privateKey, text.encode(signed)))}`;
}

const seconds = () => Math.floor(now() / 1000);

/** The device as it is kept: `{ keys, jwk, tried, courier, name }`; null before the first enrolment. */
export async function device() {
  return (await get("device", "this")) || null;
}

/** Upper case, without spaces and dashes: the code as it is hashed. */
const plain = (code) => code.toUpperCase().replace(/[\s-]/g, "");

/**
 * What enrols this phone with a code. The same code again uses the same key, so that a lost answer can be asked for
 * again; another code gets another key, because a key names one courier for ever.
 */
export async function enrolment(code) {
  const hash = Array.from(new Uint8Array(await sha256(plain(code))), (byte) => byte.toString(16).padStart(2, "0")).join("");
  let kept = await device();
  if (!kept || kept.tried !== hash) {
    const keys = await crypto.subtle.generateKey(CURVE, false, ["sign"]);
    const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", keys.publicKey);
    kept = { keys, jwk: { kty, crv, x, y }, tried: hash, before: kept?.courier ? kept : kept?.before || null };
    await put("device", kept, "this");
  }
  const aud = `${location.origin}/v1/courier/enrolment`;
  const proof = await sign(kept, { typ: "tl-enrol+jwt" }, { aud, code: hash, iat: seconds() });
  return { code: plain(code), jwk: kept.jwk, proof };
}

/** The code was not taken: an enrolment that there was before stands again. */
export async function putBack() {
  const kept = await device();
  if (kept && kept.before) await put("device", kept.before, "this");
}

/** The service has bound this phone's key to a courier; what was kept for another one goes. */
export async function enrolled({ id, name }) {
  const { keys, jwk, tried } = await device();
  await Promise.all(["jobs", "keys", "outbox"].map(clear));
  await put("device", { keys, jwk, tried, courier: id, name }, "this");
  // A browser that is short of room would else drop the key.
  await navigator.storage?.persist?.().catch(() => false);
}

/** Sign-in: good once, for less than a minute. */
export async function assertion() {
  const kept = await device();
  const [aud, iat] = [`${location.origin}/v1/courier/session`, seconds()];
  const jti = base64url(crypto.getRandomValues(new Uint8Array(16)));
  const said = { iss: kept.courier, sub: kept.courier, aud, iat, exp: iat + LIFE_S, jti };
  return sign(kept, { typ: "tl-courier+jwt" }, said);
}

/** Possession of this phone's key, for the car and the action that the delivery key names, over the car's challenge. */
export async function possession(token, challenge) {
  const kept = await device();
  const named = claims(token);
  const said = { aud: named.aud, ath: base64url(await sha256(token)), act: named.act, nonce: challenge, iat: seconds() };
  return sign(kept, { typ: "tl-pop+jwt", jwk: kept.jwk }, said);
}
