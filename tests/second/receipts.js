// The unit's receipts: each signed by one key, each naming the one before (docs/keys.md 3.1).
import { checkReceipt } from "./claims.js";
import { RECEIPT, holds, readObject } from "./jws.js";
import { Unacceptable, hashText } from "./strict.js";
import { thumbprint } from "./trust.js";

/** Signed well, but not the one that follows. */
export class BrokenChain extends Error {}

export const GENESIS = { n: 0n, hash: "A".repeat(43) };

/** Claims of an unbroken run after `head`; null: a run from anywhere in the chain. */
export async function readChain(receipts, { key, unit, head = null }) {
  const told = [];
  let last = head;
  for (const token of receipts) {
    const { signer, claims } = readObject(token, RECEIPT);
    if (signer !== thumbprint(key)) throw new Unacceptable("signer");
    if (!(await holds(token, RECEIPT, key))) throw new Unacceptable("signature");
    checkReceipt(claims);
    if (claims.iss !== unit) throw new Unacceptable("audience");
    if (last !== null && (claims.n !== last.n + 1n || claims.prev !== last.hash)) throw new BrokenChain();
    last = { n: claims.n, hash: hashText(token) };
    told.push(claims);
  }
  return told;
}
