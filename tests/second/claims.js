// The closed sets of claims (docs/keys.md 3.1 and 3.2, docs/evidence.md): anything else is refused.
import { Unacceptable, isObject } from "./strict.js";

const wrong = () => {
  throw new Unacceptable("claims");
};

const whole = (least, most) => (value) =>
  (typeof value === "bigint" && value >= least && value <= most) || wrong();

const decimal = (least, most) => (value) => {
  const plain = typeof value === "bigint" ? Number(value) : value;
  return (typeof plain === "number" && plain >= least && plain <= most) || wrong();
};

const like = (pattern) => (value) => (typeof value === "string" && pattern.test(value)) || wrong();

const text = (most = Infinity) => (value) => (typeof value === "string" && [...value].length <= most) || wrong();

const oneOf = (...values) => (value) => values.includes(value) || wrong();

const list = (each, most = Infinity) => (value) => {
  if (!Array.isArray(value) || value.length > most) wrong();
  value.forEach(each);
};

/** Exactly these members; a name that ends in `?` may be absent, and nothing may be null in its stead. */
const closed = (members) => {
  const checks = new Map(Object.entries(members).map(([name, check]) => [name.replace("?", ""), check]));
  const needed = Object.keys(members).filter((name) => !name.endsWith("?"));
  return (value) => {
    if (!isObject(value)) wrong();
    for (const name of needed) if (!(name in value)) wrong();
    for (const [name, inner] of Object.entries(value)) (checks.get(name) ?? wrong)(inner);
  };
};

const ID = "[0-9a-hjkmnp-tv-z][0-9a-z._-]{3,80}";
const UNIT = like(/^vu_[0-9a-hjkmnp-tv-z]{16}$/);
const DELIVERY = like(new RegExp(`^dlv_${ID}$`));
const COMMAND = like(new RegExp(`^cmd_${ID}$`));
const JTI = like(/^[A-Za-z0-9_-]{22}$/);
const HASH = like(/^[A-Za-z0-9_-]{43}$/);
const BINARY = like(/^[A-Za-z0-9_-]{1,700}$/);
const SECONDS = whole(0n, 2n ** 37n);
const MILLIS = whole(0n, 2n ** 47n);
const COUNT = whole(0n, 2n ** 53n - 1n);
const SEQ = whole(1n, 2n ** 53n - 1n);
const FRA = whole(0n, 86_400n);
const ACT = oneOf("open:trunk", "open:trunk+cabin");

const geo = (value) => {
  if (!Array.isArray(value) || value.length !== 3) wrong();
  [decimal(-90, 90), decimal(-180, 180), decimal(10, 100_000)].forEach((check, place) => check(value[place]));
};

export const checkKey = closed({
  iss: oneOf("trunkline"),
  aud: UNIT,
  jti: JTI,
  seq: SEQ,
  iat: SECONDS,
  nbf: SECONDS,
  exp: SECONDS,
  cnf: closed({ jkt: HASH }),
  act: ACT,
  dlv: DELIVERY,
  "geo?": geo,
  "tbv?": COUNT,
  "cnonce?": HASH,
  "fra?": FRA,
  "own?": closed({ cid: BINARY, authData: BINARY, clientData: BINARY, sig: BINARY }),
});

export const checkProof = closed({ aud: UNIT, ath: HASH, act: ACT, nonce: HASH, iat: SECONDS });

const freshMembers = closed({
  aud: UNIT,
  nonce: (value) => value === "" || HASH(value),
  iat: SECONDS,
  exp: SECONDS,
  "bundle?": COUNT,
  "last?": COUNT,
  rev: closed({ version: COUNT, min_seq: COUNT, dead: list(JTI, 64) }),
});

export function checkFresh(value) {
  freshMembers(value);
  if ("last" in value && value.nonce === "") wrong();
}

const published = closed({
  kty: oneOf("OKP"),
  crv: oneOf("Ed25519"),
  x: text(),
  kid: text(),
  alg: oneOf("Ed25519"),
  use: oneOf("sig"),
  purpose: oneOf("key", "fresh", "cmd", "log"),
  "nbf?": whole(0n, 10n ** 24n),
  "exp?": whole(0n, 10n ** 24n),
});

const some = (each, least, most) => (value) => {
  list(each, most)(value);
  if (value.length < least) wrong();
};

export const checkJwks = closed({ keys: some(published, 1, 64) });

const rootMembers = closed({
  threshold: whole(2n, 5n),
  keys: some(closed({ kty: oneOf("OKP"), crv: oneOf("Ed25519"), x: HASH, kid: HASH }), 2, 5),
});

export function checkRoots(value) {
  rootMembers(value);
  if (value.threshold > BigInt(value.keys.length)) wrong();
}

const bundleMembers = closed({
  version: whole(1n, 2n ** 32n - 1n),
  iat: SECONDS,
  exp: SECONDS,
  keys: some(published, 1, 32),
  roots: checkRoots,
  "floors?": (value) => {
    if (!isObject(value)) wrong();
    some(UNIT, 1, 32)(Object.keys(value));
    Object.values(value).forEach(SECONDS);
  },
});

export function checkBundle(value) {
  bundleMembers(value);
  if (value.exp <= value.iat) wrong();
}

const OUTCOMES = {
  refused: ["jti", "code"],
  consumed: ["jti", "gen"],
  opened: ["jti"],
  not_lifted: ["jti"],
  closed: [],
  locked: [],
  left_open: [],
  indeterminate: ["jti"],
  revoked: ["rev"],
  owner_key_changed: ["owner"],
};

const receiptMembers = closed({
  iss: UNIT,
  boot: COUNT,
  n: SEQ,
  prev: HASH,
  at: MILLIS,
  clk: closed({ state: oneOf("synced", "holdover", "unset"), u: MILLIS }),
  out: oneOf(...Object.keys(OUTCOMES)),
  "jti?": JTI,
  "seq?": SEQ,
  "dlv?": DELIVERY,
  "cmd?": COMMAND,
  "code?": like(/^[a-z_]{1,40}$/),
  "via?": oneOf("mqtt", "local"),
  "gen?": COUNT,
  "rev?": COUNT,
  "floor?": COUNT,
  "owner?": closed({ hash: HASH, required: oneOf(true, false), cids: list(HASH, 8) }),
  "own?": HASH,
});

export function checkReceipt(value) {
  receiptMembers(value);
  if ("floor" in value && !(value.out === "revoked" && "gen" in value)) wrong();
  const named = ["jti", "seq", "dlv"].filter((name) => name in value).length;
  if (named !== 0 && named !== 3) wrong();
  for (const name of OUTCOMES[value.out]) if (!(name in value)) wrong();
}

const RECORDS = {
  approval: closed({
    rec: oneOf("approval"),
    dlv: DELIVERY,
    question: text(100),
    level: oneOf("link", "session", "passkey", "standing", "system", "test"),
    by: text(100),
    shown: text(100),
    at: MILLIS,
    "fra?": FRA,
    "assertion?": HASH,
  }),
  key: closed({
    rec: oneOf("key"),
    dlv: DELIVERY,
    aud: UNIT,
    jti: JTI,
    seq: SEQ,
    kid: HASH,
    hash: HASH,
    ath: HASH,
    jkt: HASH,
    act: ACT,
    iat: SECONDS,
    nbf: SECONDS,
    exp: SECONDS,
    "cid?": BINARY,
  }),
  checkpoint: closed({
    rec: oneOf("checkpoint"),
    at: MILLIS,
    partition: whole(0n, 31n),
    position: like(/^[0-9]{1,20}-[0-9]{1,20}$/),
    hash: HASH,
  }),
};

export function checkRecord(value) {
  if (typeof value.rec !== "string" || !Object.hasOwn(RECORDS, value.rec)) wrong();
  RECORDS[value.rec](value);
}

export const checkEvidence = closed({
  form: oneOf("trunkline-evidence/1"),
  delivery: DELIVERY,
  vehicle: text(),
  unit: UNIT,
  made_at: MILLIS,
  approvals: list(text()),
  keys: list(text()),
  proofs: list(text()),
  receipts: list(closed({ receipt: text(), arrived: MILLIS })),
  certificates: list(text()),
  authorities: list(text()),
  jwks: (value) => isObject(value) || wrong(),
  facts: list((value) => isObject(value) || wrong()),
  checkpoint: (value) => value === null || text(2048)(value),
});
