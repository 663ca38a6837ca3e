// The peer: BullMQ's queue and worker with undici's pool, 64 at once, HMAC-SHA256 per delivery.
// node deliver.mjs fill|work STORE_PORT SINK_PORT COUNT
import { createHmac } from "node:crypto";
import { Queue, Worker } from "bullmq";
import { Pool } from "undici";

const [what, store, sink, count] = process.argv.slice(2);
const connection = { host: "127.0.0.1", port: Number(store), maxRetriesPerRequest: null };
const key = Buffer.from("k".repeat(32));
const AT_ONCE = 64;

// The same 400 bytes as every other sender of this benchmark: tests/bench/webhooks_peers.py.
const payload = (i) => {
  const said = `{"type":"delivery.opened","time":"2026-11-21T22:00:00.000Z","data":{"delivery":"dlv_${String(i).padStart(16, "0")}","pad":"`;
  return said + "x".repeat(400 - said.length - 3) + '"}}';
};

if (what === "fill") {
  const queue = new Queue("webhooks", { connection });
  for (let at = 0; at < Number(count); at += 500) {
    const size = Math.min(500, Number(count) - at);
    await queue.addBulk(
      Array.from({ length: size }, (_, n) => ({
        name: "delivery",
        data: { i: at + n, body: payload(at + n) },
        opts: { attempts: 8, backoff: { type: "exponential", delay: 5000 }, removeOnComplete: true },
      })),
    );
  }
  await queue.close();
} else {
  const pool = new Pool(`http://127.0.0.1:${sink}`, { connections: AT_ONCE, pipelining: 1 });
  new Worker(
    "webhooks",
    async (job) => {
      const { i, body } = job.data;
      const id = "msg_" + String(i).padStart(24, "0");
      const time = String(Math.floor(Date.now() / 1000));
      const mac = createHmac("sha256", key).update(`${id}.${time}.${body}`).digest("base64");
      const answer = await pool.request({
        path: `/hook/${i % 32}`,
        method: "POST",
        body,
        headers: {
          "content-type": "application/json",
          "webhook-id": id,
          "webhook-timestamp": time,
          "webhook-signature": "v1," + mac,
        },
      });
      await answer.body.dump();
      if (answer.statusCode >= 300) throw new Error(String(answer.statusCode));
    },
    { connection, concurrency: AT_ONCE },
  );
}
