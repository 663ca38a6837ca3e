// Speaks JSON lines: a case in, what this verifier makes of it out. See tests/second/peer.py.
import { createInterface } from "node:readline";

import { checkRecord } from "./claims.js";
import { Clock } from "./clock.js";
import { judge, rootsOf } from "./evidence.js";
import { RECORD } from "./jws.js";
import { ownerChallenge } from "./owner.js";
import { BrokenChain, GENESIS, readChain } from "./receipts.js";
import { Unacceptable, readJson } from "./strict.js";
import { Trust, readBundle } from "./trust.js";
import { Refused, Unit, allow } from "./verifier.js";

const millis = (seconds) => BigInt(Math.round(seconds * 1000));

/** JSON read as claims are, from its text or from a value that holds no number like 1.0. */
const exact = (value) => readJson(Buffer.from(typeof value === "string" ? value : JSON.stringify(value)), 16);

async function trustOf({ jwks, bundle, roots, version = 0, expires = null }) {
  if (bundle !== undefined) return (await readBundle(exact({ bundle }), exact(roots))).trust;
  return new Trust(Trust.ofJwks(exact(jwks)).keys.values(), BigInt(version), expires === null ? null : BigInt(expires));
}

async function newsOrNull(unit, token, nonce) {
  if (token === null) return null;
  try {
    return await unit.news(token, nonce);
  } catch (cause) {
    if (!(cause instanceof Unacceptable)) throw cause;
    return null;
  }
}

async function present(given) {
  const trust = await trustOf(given.trust);
  const unit = new Unit({
    unit: given.unit,
    trust,
    challenge: given.challenge,
    challengeLife: given.policy.challenge_life,
  });
  try {
    const proven = await unit.prove(given.present);
    const after = allow(proven, {
      trust,
      policy: {
        acts: given.policy.acts,
        longestWindow: millis(given.policy.longest_window),
        listAge: millis(given.policy.list_age),
        clockError: millis(given.policy.clock_error),
        requireOwner: given.policy.require_owner,
      },
      clock: given.clock,
      kept: await newsOrNull(unit, given.kept, ""),
      fresh: await newsOrNull(unit, given.present.fresh, proven.challenge),
      window: { floor: BigInt(given.window.floor), bitmap: BigInt(`0x${given.window.bitmap}`) },
      car: given.car,
      owners: given.owners,
    });
    const window = { floor: String(after.floor), bitmap: after.bitmap.toString(16).padStart(64, "0") };
    return { outcome: "granted", window, challenge: unit.challenge !== null };
  } catch (cause) {
    if (!(cause instanceof Refused)) throw cause;
    return { outcome: cause.code, proven: cause.proven, fault: cause.fault, challenge: unit.challenge !== null };
  }
}

const ACTIONS = {
  present,
  async bundle({ bundle, roots }) {
    const { claims, trust } = await readBundle(exact({ bundle }), exact(roots));
    return { outcome: "taken", version: Number(claims.version), kids: [...trust.keys.keys()].sort() };
  },
  async jwks({ jwks }) {
    return { outcome: "trusted", kids: [...Trust.ofJwks(exact(jwks)).keys.keys()] };
  },
  async receipts({ receipts, key, unit, first }) {
    const told = await readChain(receipts, { key, unit, head: first ? GENESIS : null });
    return { outcome: "follows", outs: told.map(({ out }) => out) };
  },
  async record({ record, jwks }) {
    const { rec } = await Trust.ofJwks(exact(jwks)).read(record, RECORD, "log", checkRecord);
    return { outcome: rec };
  },
  async evidence({ file, authorities, jwks, assertions = [] }) {
    const roots = authorities === null ? null : rootsOf(authorities, exact(jwks));
    const kept = assertions.map((one) => Buffer.from(one, "base64"));
    const { verdict, failed } = await judge(Buffer.from(file, "base64"), roots, kept);
    return { outcome: verdict, failed };
  },
  async json({ bytes, depth }) {
    readJson(Buffer.from(bytes, "base64"), depth);
    return { outcome: "read" };
  },
  async clock({ floor, steps }) {
    const clock = new Clock(floor);
    const readings = steps.map(({ up, wall, what, iat, drawn }) => {
      if (what === "prove") clock.prove(up, iat, drawn);
      if (what === "hear") clock.hear(iat);
      if (what === "floor") clock.raiseFloor(up, iat);
      return clock.read(up, wall);
    });
    return { outcome: "read", readings };
  },
  async challenge({ claims }) {
    return { outcome: ownerChallenge(exact(claims)) };
  },
};

async function answer(line) {
  const { action, ...given } = JSON.parse(line).case;
  try {
    return await ACTIONS[action](given);
  } catch (cause) {
    if (cause instanceof Unacceptable) return { outcome: "unacceptable", fault: cause.fault };
    if (cause instanceof BrokenChain) return { outcome: "broken" };
    return { outcome: `failed: ${cause.stack}` };
  }
}

const AT_ONCE = 16;
let asked = [];

/** Answers go out in the order of the cases. */
async function tell() {
  const answers = await Promise.all(asked);
  asked = [];
  for (const one of answers) process.stdout.write(`${JSON.stringify(one)}\n`);
}

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  asked.push(answer(line));
  if (asked.length === AT_ONCE) await tell();
}
await tell();
