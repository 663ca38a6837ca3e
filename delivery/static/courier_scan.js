// Reads a QR code with the camera: by the browser's own detector where it has one, else by a decoder loaded for it.
import { t } from "/static/words.js";

const LOOK_MS = 120;
const LONGEST_PX = 720;
const WANTED = { video: { facingMode: "environment", width: { ideal: 1280 }, height: { ideal: 720 } }, audio: false };

/** Whether there may be a camera to ask for. */
export const possible = Boolean(navigator.mediaDevices && navigator.mediaDevices.getUserMedia);

async function reader() {
  if ("BarcodeDetector" in globalThis && (await BarcodeDetector.getSupportedFormats()).includes("qr_code")) {
    const detector = new BarcodeDetector();
    return async (canvas) => (await detector.detect(canvas))[0]?.rawValue || "";
  }
  await import("/courier/jsqr.js");
  return async (canvas) => {
    const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return globalThis.jsQR(data, width, height, { inversionAttempts: "dontInvert" })?.data || "";
  };
}

/**
 * Show the camera in `video` until a code is seen; gives its text, or "" once `stop` (an AbortSignal) says so.
 * Throws an Error in plain words where there is no camera to look with.
 */
export async function scan(video, stop) {
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia(WANTED);
  } catch {
    throw new Error(t("This page may not use the camera, or there is none. Type the code instead."));
  }
  try {
    const read = await reader();
    video.srcObject = stream;
    await video.play();
    const canvas = document.createElement("canvas");
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    while (!stop.aborted) {
      const scale = Math.min(1, LONGEST_PX / Math.max(video.videoWidth, video.videoHeight, 1));
      [canvas.width, canvas.height] = [Math.round(video.videoWidth * scale), Math.round(video.videoHeight * scale)];
      if (canvas.width) {
        pen.drawImage(video, 0, 0, canvas.width, canvas.height);
        const text = await read(canvas);
        if (text) return text;
      }
      await new Promise((next) => setTimeout(next, LOOK_MS));
    }
    return "";
  } finally {
    video.srcObject = null;
    for (const track of stream.getTracks()) track.stop();
  }
}

/** Open the scanning panel around `video`; `button` becomes its way out. Gives the text, or "". */
export async function scanWith(button, panel, words) {
  const stop = new AbortController();
  const [before, end] = [button.textContent, () => stop.abort()];
  button.textContent = words;
  button.addEventListener("click", end);
  panel.hidden = false;
  try {
    return await scan(panel.querySelector("video"), stop.signal);
  } finally {
    panel.hidden = true;
    button.removeEventListener("click", end);
    button.textContent = before;
  }
}
