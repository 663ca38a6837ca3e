// The npm library of Standard Webhooks, asked by lines of JSON: it signs, or says whether it accepts.
import { createInterface } from "node:readline";
import { Webhook } from "standardwebhooks";

for await (const line of createInterface({ input: process.stdin })) {
  const { secret, id, timestamp, payload, headers } = JSON.parse(line);
  const webhook = new Webhook(secret);
  let said;
  if (headers === undefined) {
    said = webhook.sign(id, new Date(timestamp * 1000), payload);
  } else {
    try {
      webhook.verify(payload, headers);
      said = true;
    } catch {
      said = false;
    }
  }
  console.log(JSON.stringify(said));
}
