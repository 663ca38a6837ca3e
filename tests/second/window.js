// Which numbers were used: a floor of 64 bits and a map of 256 (docs/keys.md 3.5).
export const SIZE = 256n;
export const JUMP = 65_536n;

const highest = ({ floor, bitmap }) => floor + BigInt(bitmap === 0n ? 0 : bitmap.toString(2).length) - 1n;

export function standing(window, seq) {
  if (seq < window.floor) return "below_floor";
  if (seq > highest(window) + JUMP) return "too_far";
  if (seq < window.floor + SIZE && (window.bitmap >> (seq - window.floor)) & 1n) return "used";
  return "unused";
}

export function mark({ floor, bitmap }, seq) {
  const slid = seq - SIZE + 1n > floor ? seq - SIZE + 1n : floor;
  return { floor: slid, bitmap: (bitmap >> (slid - floor)) | (1n << (seq - slid)) };
}
