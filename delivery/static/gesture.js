// A passkey proves that a public key is its own: it signs a challenge that this page drew, and the browser checks that.
import { Refused } from "/static/requests.js";
import { t } from "/static/words.js";

const P256_BYTES = 32;
const PRESENT = 0x01;
const VERIFIED = 0x04;

const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
const sha256 = async (data) => new Uint8Array(await crypto.subtle.digest("SHA-256", data));

/** The fingerprint of `told.public` once its passkey signed with it. `told`: { cid, public, rp_id }. Throws Refused. */
export async function verified(told) {
  const challenge = crypto.getRandomValues(new Uint8Array(32));
  let given;
  try {
    given = await navigator.credentials.get({
      publicKey: { challenge, rpId: told.rp_id, allowCredentials: [{ type: "public-key", id: bytes(told.cid) }], userVerification: "required" },
    });
  } catch {
    throw new Refused(t("Your passkey did not sign, so nothing was shown. Try again, on the device that has this passkey."));
  }
  const { authenticatorData, clientDataJSON, signature } = given.response;
  const said = JSON.parse(new TextDecoder().decode(clientDataJSON));
  const auth = new Uint8Array(authenticatorData);
  const ours = said.type === "webauthn.get" && said.origin === location.origin && equal(bytes(said.challenge), challenge);
  const gesture = (auth[32] & PRESENT) !== 0 && (auth[32] & VERIFIED) !== 0;
  const signed = joined(auth, await sha256(clientDataJSON));
  if (!ours || !gesture || !(await holds(bytes(told.public), new Uint8Array(signature), signed)))
    throw new Refused(t("This is not the key that signed. Nothing was shown. Reload this page, and tell us if it happens again."));
  return fingerprint(bytes(told.public));
}

/** First 32 hex digits of SHA-256 of the key's bytes, in groups of four: as the car's unit shows it. */
async function fingerprint(spki) {
  const digits = Array.from(await sha256(spki), (byte) => byte.toString(16).padStart(2, "0")).join("").slice(0, 32);
  return digits.match(/.{4}/g).join(" ");
}

/** Whether `signature` is the key's over `data`. `spki`: P-256, whose signatures are in DER, or Ed25519. */
async function holds(spki, signature, data) {
  const ed = spki.length === 44;
  const kind = ed ? { name: "Ed25519" } : { name: "ECDSA", namedCurve: "P-256" };
  try {
    const key = await crypto.subtle.importKey("spki", spki, kind, false, ["verify"]);
    return await crypto.subtle.verify(ed ? kind : { name: "ECDSA", hash: "SHA-256" }, key, ed ? signature : raw(signature), data);
  } catch {
    return false;
  }
}

/** r and s of an ECDSA signature in DER (RFC 3279, 2.2.3), side by side as Web Crypto wants them. */
function raw(der) {
  if (der[0] !== 0x30 || der[1] !== der.length - 2) throw new Error("no sequence");
  const [r, next] = integer(der, 2);
  const [s, end] = integer(der, next);
  if (end !== der.length) throw new Error("more than two integers");
  return joined(r, s);
}

function integer(der, at) {
  const end = at + 2 + der[at + 1];
  if (der[at] !== 0x02 || end > der.length) throw new Error("no integer");
  const value = der.slice(at + 2, end);
  const digits = value[0] === 0 ? value.slice(1) : value;
  if (digits.length > P256_BYTES) throw new Error("too long for P-256");
  return [joined(new Uint8Array(P256_BYTES - digits.length), digits), end];
}

function joined(one, other) {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}

function equal(one, other) {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}
