// Frames of the local link, and the small values of Bluetooth that carry them (docs/link.md, byte for byte).
const MAX_FRAME = 16_384;
const LENGTH = 4;
const ATT_HEADER = 3;
export const LEAST_MTU = 23;

/** The bytes cannot be followed any more: the connection ends. */
export class BrokenStream extends Error {}

/** One JSON object as a frame with its length. */
export function pack(document) {
  const text = new TextEncoder().encode(JSON.stringify(document));
  if (text.length > MAX_FRAME) throw new RangeError(`${text.length} bytes`);
  const frame = new Uint8Array(LENGTH + text.length);
  new DataView(frame.buffer).setUint32(0, text.length);
  frame.set(text, LENGTH);
  return frame;
}

/** Cuts a stream into values: a counter byte, then what fits. The MTU may grow as more is known of it. */
export class Chunks {
  #count = 0;

  cut(data, mtu) {
    const room = mtu - ATT_HEADER - 1;
    const chunks = [];
    for (let start = 0; start < data.length; start += room) {
      const part = data.subarray(start, start + room);
      const chunk = new Uint8Array(1 + part.length);
      chunk[0] = this.#count;
      chunk.set(part, 1);
      chunks.push(chunk);
      this.#count = (this.#count + 1) % 256;
    }
    return chunks;
  }
}

/** The other end: values in, documents out. Throws BrokenStream. */
export class Frames {
  #count = 0;
  #held = new Uint8Array(0);

  feed(chunk) {
    if (chunk.length < 2 || chunk[0] !== this.#count) throw new BrokenStream("a value is missing");
    this.#count = (this.#count + 1) % 256;
    const held = new Uint8Array(this.#held.length + chunk.length - 1);
    held.set(this.#held);
    held.set(chunk.subarray(1), this.#held.length);
    this.#held = held;
    const documents = [];
    while (this.#held.length >= LENGTH) {
      const length = new DataView(this.#held.buffer, this.#held.byteOffset).getUint32(0);
      if (length === 0 || length > MAX_FRAME) throw new BrokenStream("no frame has this length");
      if (this.#held.length < LENGTH + length) break;
      documents.push(read(this.#held.subarray(LENGTH, LENGTH + length)));
      this.#held = this.#held.slice(LENGTH + length);
    }
    return documents;
  }
}

/** An object with exactly one member. */
function read(bytes) {
  let document;
  try {
    document = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new BrokenStream("a frame is not JSON");
  }
  const fits = document !== null && typeof document === "object" && !Array.isArray(document) && Object.keys(document).length === 1;
  if (!fits) throw new BrokenStream("a frame has one member");
  return document;
}
