// An evidence file judged by roots from outside: the questions of docs/evidence.md, "What is checked".
import { authorities, receiptCertificate } from "./certificate.js";
import { checkEvidence, checkProof, checkRecord } from "./claims.js";
import { PROOF, RECORD, holds, readObject } from "./jws.js";
import { readChain } from "./receipts.js";
import { base64url, fromBase64url, hashText, readJson, sha256 } from "./strict.js";
import { Trust, checkDevice, thumbprint } from "./trust.js";

const DEPTH = 12;
const SLACK = 120_000n;
const RANK = { consumed: 1, opened: 2, not_lifted: 3, left_open: 3, closed: 3, locked: 4 };

const demand = (holdsTrue) => {
  if (!holdsTrue) throw new Error("not so");
};

/** `{verdict, failed}`: the names of the questions that are answered with no. */
export async function judge(bytes, roots, assertions = []) {
  let file;
  try {
    file = readJson(bytes, DEPTH);
    checkEvidence(file);
    file.roots = roots ?? rootsOf(file.authorities.join(""), file.jwks);
  } catch {
    return { verdict: "broken", failed: ["form"] };
  }
  const failed = [];
  const story = new Story(file, assertions);
  for (const [name, ask] of story.questions()) {
    try {
      await ask();
    } catch {
      failed.push(name);
    }
  }
  if (failed.length > 0) return { verdict: "broken", failed };
  return { verdict: roots === null ? "consistent, signer unknown" : "verified", failed };
}

export const rootsOf = (pem, jwks) => ({ authorities: authorities(pem), trust: Trust.ofJwks(jwks) });

class Story {
  constructor(file, assertions) {
    this.file = file;
    this.assertions = assertions;
    this.approvals = [];
    this.keys = [];
    this.told = [];
  }

  questions() {
    const names = [
      "approved",
      "keyed",
      "allowedFirst",
      "chained",
      "certified",
      "usedOnce",
      "coSigned",
      "inOrder",
      "inTime",
      "proven",
      "toldAlike",
      "checkpointed",
      ...(this.assertions.length > 0 ? ["gestured"] : []),
    ];
    return names.map((name) => [name, () => this[name]()]);
  }

  record(token, kind) {
    return this.file.roots.trust.read(token, RECORD, "log", (claims) => {
      checkRecord(claims);
      demand(claims.rec === kind);
    });
  }

  async approved() {
    for (const token of this.file.approvals) {
      const record = await this.record(token, "approval");
      demand(record.dlv === this.file.delivery);
      this.approvals.push(record);
    }
  }

  async keyed() {
    for (const token of this.file.keys) {
      const record = await this.record(token, "key");
      demand(record.dlv === this.file.delivery && record.aud === this.file.unit);
      demand(this.file.roots.trust.find(record.kid, "key") !== undefined);
      this.keys.push(record);
    }
    for (const name of ["seq", "jti"]) {
      demand(new Set(this.keys.map((one) => one[name])).size === this.keys.length);
    }
  }

  allowedFirst() {
    for (const key of this.keys) {
      const latest = key.cid === undefined ? key.iat + 1n : key.exp;
      demand(this.approvals.some(({ at }) => at < latest * 1000n));
    }
  }

  leaves() {
    const leaves = this.file.certificates.map(receiptCertificate);
    demand(leaves.every(({ unit }) => unit === this.file.unit));
    return leaves;
  }

  async chained() {
    if (this.file.receipts.length === 0) return;
    const keys = new Map(this.leaves().map(({ jwk }) => [thumbprint(jwk), jwk]));
    demand(keys.size === 1);
    const [key] = keys.values();
    const receipts = this.file.receipts.map(({ receipt }) => receipt);
    this.told = await readChain(receipts, { key, unit: this.file.unit });
  }

  certified() {
    const leaves = this.leaves();
    for (const leaf of leaves) demand(this.file.roots.authorities.some(leaf.issuedBy));
    for (const { at } of this.told.filter(({ clk }) => clk.state !== "unset")) {
      demand(leaves.some(({ since, until }) => since <= at && at <= until));
    }
  }

  usedOnce() {
    for (const one of this.told.filter(({ dlv }) => dlv === this.file.delivery)) {
      demand(this.keys.some(({ jti, seq }) => jti === one.jti && seq === one.seq));
    }
    const used = this.told.filter(({ out }) => out === "consumed").map(({ seq }) => seq);
    demand(new Set(used).size === used.length);
  }

  /** The car says by which of its paired passkeys a key was signed as well; so must what the service kept. */
  coSigned() {
    for (const { jti, cid } of this.keys) {
      const kept = cid === undefined ? undefined : hashText(cid);
      const used = this.told.filter((one) => one.jti === jti && one.out === "consumed");
      demand(used.every(({ own }) => own === kept));
    }
  }

  inOrder() {
    for (const { jti } of this.keys) {
      let rank = 0;
      for (const { out } of this.told.filter((one) => one.jti === jti && Object.hasOwn(RANK, one.out))) {
        demand(RANK[out] >= rank && (rank > 0 || RANK[out] === 1));
        rank = RANK[out];
      }
    }
  }

  inTime() {
    for (const [place, one] of this.told.entries()) {
      if (one.clk.state === "unset") continue;
      const slack = one.clk.u + SLACK;
      demand(this.file.receipts[place].arrived + slack >= one.at);
      const key = this.keys.find(({ seq }) => seq === one.seq);
      if (one.out !== "consumed" || key === undefined) continue;
      demand(key.nbf * 1000n - slack <= one.at && one.at <= key.exp * 1000n + slack);
    }
  }

  async proven() {
    for (const token of this.file.proofs) {
      const { signer, claims } = readObject(token, PROOF);
      const device = checkDevice(signer);
      demand(await holds(token, PROOF, signer));
      checkProof(claims);
      const key = this.keys.find(({ ath }) => ath === claims.ath);
      demand(key !== undefined && key.jkt === device && key.aud === claims.aud && key.act === claims.act);
    }
  }

  toldAlike() {
    const numbers = new Map(this.told.map(({ n }, place) => [hashText(this.file.receipts[place].receipt), n]));
    const told = new Map(this.approvals.map((approval) => [approval.question, approval]));
    for (const fact of this.file.facts) {
      if ("receipt_hash" in fact) demand(numbers.has(fact.receipt_hash) && numbers.get(fact.receipt_hash) === fact.n);
      if (fact.kind === "delivery.approved") {
        const signed = told.get(fact.question);
        for (const name of ["level", "assertion"]) demand((signed?.[name] ?? null) === (fact[name] ?? null));
      }
      // before the address is resolved a fact names no car
      demand((fact.vehicle ?? this.file.vehicle) === this.file.vehicle);
    }
  }

  /** Each assertion that somebody kept is one that an approval names. */
  gestured() {
    const named = this.approvals.map(({ assertion }) => assertion);
    for (const bytes of this.assertions) {
      const { response } = readJson(bytes);
      const parts = ["clientDataJSON", "authenticatorData", "signature"].map((name) => response[name]);
      demand(parts.every((part) => typeof part === "string"));
      demand(named.includes(base64url(sha256(Buffer.concat(parts.map((part) => sha256(fromBase64url(part))))))));
    }
  }

  async checkpointed() {
    if (this.file.checkpoint !== null) await this.record(this.file.checkpoint, "checkpoint");
  }
}
