// For a car that opens for no key without its owner's passkey: the browser asks for the gesture, over what is to be signed.
import { Refused } from "/static/requests.js";
import { t } from "/static/words.js";

const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

/** The passkey's signature where a question has something to sign, else undefined. Throws Refused: nothing was decided. */
export async function signature(content) {
  if (!content.sign) return undefined;
  let given;
  try {
    given = await navigator.credentials.get({
      publicKey: { challenge: bytes(content.sign.challenge), userVerification: "required" },
    });
  } catch {
    throw new Refused(
      t("Your passkey did not sign, so nothing was decided. This car opens for no key without it: try again, on a device that has the passkey you paired in the car."),
    );
  }
  const { authenticatorData, clientDataJSON, signature: signed } = given.response;
  return { cid: text(given.rawId), authData: text(authenticatorData), clientData: text(clientDataJSON), sig: text(signed) };
}
