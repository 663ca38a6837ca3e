// The local link to a car over Bluetooth LE: one question after the other, each with its answer.
import { BrokenStream, Chunks, Frames, LEAST_MTU, pack } from "/courier/frames.js";
import { t } from "/static/words.js";

const SERVICE = "62140001-b0af-46b3-9918-04aea9ad6da0";
const TO_UNIT = "62140002-b0af-46b3-9918-04aea9ad6da0";
const TO_PHONE = "62140003-b0af-46b3-9918-04aea9ad6da0";
const PATIENCE_MS = 10_000;
const VERSION = 1;
const ATT_HEADER = 3;

/** Whether this browser can: others keep to the network. */
export const possible = Boolean(navigator.bluetooth);

/** No car there, or it has gone away. */
export class LinkLost extends Error {}

/** A connection to a unit, which has greeted. `ended` is called once when it is over. */
export class CarLink {
  #device;
  #write;
  #chunks = new Chunks();
  #frames = new Frames();
  #asked = null;
  #before = Promise.resolve();
  #over = false;
  /** A browser does not say the MTU; a value that came is proof of as much. */
  #mtu = LEAST_MTU;

  /** Let the person choose a car, and greet it. To be called from a press of a button. Throws LinkLost. */
  static async connect(ended) {
    const link = new CarLink();
    try {
      link.#device = await navigator.bluetooth.requestDevice({ filters: [{ services: [SERVICE] }] });
      await link.#open(ended);
      const said = await link.ask({ hello: VERSION });
      if (!said.ok) throw new LinkLost(t("This car speaks another version of the local link."));
      return link;
    } catch (problem) {
      link.close();
      if (problem instanceof LinkLost) throw problem;
      throw new LinkLost(t("No car was reached by Bluetooth. Go nearer, then try again."));
    }
  }

  async #open(ended) {
    this.#device.addEventListener(
      "gattserverdisconnected",
      () => {
        this.#end();
        ended();
      },
      { once: true },
    );
    const server = await this.#device.gatt.connect();
    const service = await server.getPrimaryService(SERVICE);
    this.#write = await service.getCharacteristic(TO_UNIT);
    const heard = await service.getCharacteristic(TO_PHONE);
    heard.addEventListener("characteristicvaluechanged", ({ target }) => this.#hear(target.value));
    await heard.startNotifications();
  }

  #hear(value) {
    const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength).slice();
    this.#mtu = Math.max(this.#mtu, bytes.length + ATT_HEADER);
    try {
      for (const document of this.#frames.feed(bytes)) {
        const asked = this.#asked;
        this.#asked = null;
        if (!asked) throw new BrokenStream("nothing was asked");
        asked.done(document);
      }
    } catch {
      this.close();
    }
  }

  /** The unit's answer to one question: `{ ok }` or `{ no }`. Throws LinkLost. */
  ask(document, patience = PATIENCE_MS) {
    const answer = this.#before.then(() => this.#ask(document, patience));
    this.#before = answer.catch(() => undefined); // one at a time
    return answer;
  }

  async #ask(document, patience) {
    if (this.#over) throw new LinkLost(t("The car has gone away."));
    let timer;
    const answer = new Promise((done, failed) => {
      this.#asked = { done, failed };
      timer = setTimeout(() => this.close(), patience);
    });
    answer.catch(() => undefined); // it may be lost while it is still being written
    try {
      for (const chunk of this.#chunks.cut(pack(document), this.#mtu)) await this.#write.writeValueWithResponse(chunk);
      return await answer;
    } catch (problem) {
      this.close();
      throw problem instanceof LinkLost ? problem : new LinkLost(t("The car has gone away."));
    } finally {
      clearTimeout(timer);
    }
  }

  #end() {
    this.#over = true;
    this.#asked?.failed(new LinkLost(t("The car has gone away.")));
    this.#asked = null;
  }

  close() {
    this.#end();
    if (this.#device?.gatt?.connected) this.#device.gatt.disconnect();
  }
}
