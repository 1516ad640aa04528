// Evaluates each line of its input as an expression, and answers with its value as a line of JSON. The Go
// tests in gateway/app use it, as they use a page in Chromium.
import { createInterface } from "node:readline";
import * as client from "../index.js";

const { WebSocket } = globalThis;
delete globalThis.WebSocket; // as in Node 20 without --experimental-websocket: the tests pass it as an option
Object.assign(globalThis, client, { options: { WebSocket } });
for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = { value: await (0, eval)(line) };
  } catch (err) {
    answer = { error: String(err) };
  }
  console.log(JSON.stringify(answer));
}
process.exit(); // timers of clients would keep it
