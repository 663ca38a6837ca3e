// The three gestures with a passkey: the server says over what, the browser asks, the server checks.
import { ask, Refused } from "/static/requests.js";
import { t } from "/static/words.js";

/** Whether this browser can do it at all. */
export const possible =
  typeof PublicKeyCredential === "function" && typeof PublicKeyCredential.parseRequestOptionsFromJSON === "function";

async function gesture(does, nothing) {
  try {
    return (await does()).toJSON();
  } catch (problem) {
    if (problem.name === "InvalidStateError")
      throw new Refused(t("This device has a passkey of yours for this place already. Nothing was changed."));
    throw new Refused(nothing);
  }
}

async function signature(path) {
  const { options } = await ask("POST", path, { looks: true });
  return gesture(
    () => navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) }),
    t("Your passkey did not answer, so nothing was done. Try again, on a device that has it."),
  );
}

/** Make a passkey on this device and keep it under a name. */
export async function make(name) {
  const { options } = await ask("POST", "/v1/me/passkeys/options", { looks: true });
  const credential = await gesture(
    () => navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) }),
    t("No passkey was made. Try again, or use another device."),
  );
  return ask("POST", "/v1/me/passkeys", { body: { name, credential } });
}

/** Show a passkey: for some minutes this session may do what asks for one. */
export async function prove() {
  const credential = await signature("/v1/session/passkey/options");
  return ask("POST", "/v1/session/passkey", { body: { credential } });
}

/** Sign in with whatever passkey this device has for this place. */
export async function signIn() {
  const credential = await signature("/v1/sign-in/passkey/options");
  return ask("POST", "/v1/sign-in/passkey", { body: { credential } });
}
