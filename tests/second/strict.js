// The strict reader's floor: canonical base64url, and JSON with one meaning only (docs/keys.md, 3.3 step 1).
import { createHash } from "node:crypto";

/** Why a signed object was not taken; the faults are those of docs/vectors/keys.json. */
export class Unacceptable extends Error {
  constructor(fault) {
    super(fault);
    this.fault = fault;
  }
}

export const base64url = (bytes) => Buffer.from(bytes).toString("base64url");

export const sha256 = (bytes) => createHash("sha256").update(bytes).digest();

export const hashText = (text) => base64url(sha256(Buffer.from(text, "utf8")));

/** The bytes of unpadded base64url whose unused bits are zero. */
export function fromBase64url(text) {
  const bytes = Buffer.from(text, "base64url");
  if (bytes.toString("base64url") !== text) throw new Unacceptable("form");
  return bytes;
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?/y;
const LONGEST_NUMBER = 24;
const ESCAPES = { '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };

/**
 * An object of strict JSON. Whole numbers (no point, no exponent) come as BigInt, all others as Number, so that
 * 1, 1.0 and 1e0 are never the same thing. Objects have no prototype: `__proto__` is a name like any other.
 */
export function readJson(bytes, depth = 6) {
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Unacceptable("json");
  }
  const value = new Reader(text, depth).whole();
  if (!isObject(value)) throw new Unacceptable("json");
  return value;
}

export const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

class Reader {
  constructor(text, depth) {
    this.text = text;
    this.at = 0;
    this.left = depth;
  }

  whole() {
    const value = this.value();
    if (this.at !== this.text.length) this.fail();
    return value;
  }

  fail() {
    throw new Unacceptable("json");
  }

  space() {
    while (" \t\n\r".includes(this.text[this.at] ?? "x")) this.at += 1;
  }

  take(wanted) {
    if (!this.text.startsWith(wanted, this.at)) return false;
    this.at += wanted.length;
    return true;
  }

  value() {
    this.space();
    const value = this.bare();
    this.space();
    return value;
  }

  bare() {
    switch (this.text[this.at]) {
      case "{":
        return this.nested(() => this.object());
      case "[":
        return this.nested(() => this.array());
      case '"':
        return this.string();
    }
    if (this.take("true")) return true;
    if (this.take("false")) return false;
    if (this.take("null")) return null;
    return this.number();
  }

  nested(read) {
    if (this.left === 0) this.fail();
    this.left -= 1;
    this.at += 1;
    const value = read();
    this.left += 1;
    return value;
  }

  object() {
    const members = Object.create(null);
    this.space();
    if (this.take("}")) return members;
    do {
      this.space();
      if (this.text[this.at] !== '"') this.fail();
      const name = this.string();
      if (name in members) this.fail();
      this.space();
      if (!this.take(":")) this.fail();
      members[name] = this.value();
    } while (this.take(","));
    if (!this.take("}")) this.fail();
    return members;
  }

  array() {
    const items = [];
    this.space();
    if (this.take("]")) return items;
    do items.push(this.value());
    while (this.take(","));
    if (!this.take("]")) this.fail();
    return items;
  }

  string() {
    let made = "";
    for (this.at += 1; ; this.at += 1) {
      const one = this.text[this.at];
      if (one === undefined || one < " ") this.fail();
      if (one === '"') break;
      made += one === "\\" ? this.escape() : one;
    }
    this.at += 1;
    if (!made.isWellFormed()) this.fail();
    return made;
  }

  escape() {
    this.at += 1;
    const kind = this.text[this.at];
    if (kind !== "u") return ESCAPES[kind] ?? this.fail();
    const digits = this.text.slice(this.at + 1, this.at + 5);
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) this.fail();
    this.at += 4;
    return String.fromCharCode(Number.parseInt(digits, 16));
  }

  number() {
    NUMBER.lastIndex = this.at;
    const found = NUMBER.exec(this.text);
    if (found === null || found[0].length > LONGEST_NUMBER) this.fail();
    this.at += found[0].length;
    if (found[1] === undefined && found[2] === undefined) return BigInt(found[0]);
    const value = Number(found[0]);
    if (!Number.isFinite(value)) this.fail();
    return value;
  }
}
