// A photo as it is sent: drawn anew on a canvas, upright, without what the camera wrote into the file, at most 1 MB.
import { t } from "/static/words.js";

const LONGEST_PX = 1_600;
const MOST_BYTES = 1_000_000;
/** More than any camera makes: what would only be unpacked until the phone has no memory left. */
const LONGEST_FILE = 64_000_000;
const QUALITY = 0.82;

function drawn(picture, longest) {
  const scale = Math.min(1, longest / Math.max(picture.width, picture.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  return canvas;
}

const jpeg = (canvas, quality) => new Promise((done) => canvas.toBlob(done, "image/jpeg", quality));

/** The bytes of a JPEG (ArrayBuffer). Throws an Error in plain words for what is no picture. */
export async function reencoded(file) {
  let picture;
  try {
    if (file.size > LONGEST_FILE) throw new RangeError(`${file.size} bytes`);
    picture = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    throw new Error(t("This picture cannot be read. Take another one."));
  }
  try {
    for (let longest = LONGEST_PX, quality = QUALITY; longest > 100; longest *= 0.75, quality *= 0.9) {
      const made = await jpeg(drawn(picture, longest), quality);
      if (made && made.size <= MOST_BYTES) return await made.arrayBuffer();
    }
  } finally {
    picture.close();
  }
  throw new Error(t("This picture cannot be read. Take another one."));
}
