import { GatewayClient } from "../../client/index.js";
import { refusalOf } from "./refusal.js";

const HEARTBEAT = 500; // milliseconds

// EventFeed receives the events of one WebSocket sink.
//
// Events: "state" (detail: {state, text, why}), "message" (detail: a string or a Blob), "gap" (detail: {source, reason}), "resumed",
// "welcome" (detail: the message), "pong" (detail: the round trip in milliseconds), "refused" (detail: {status, reason}), if the gateway
// has answered an attempt to connect with a reason.
export class EventFeed extends EventTarget {
  #client = null;
  #url = null;
  #token = "";
  #wasOpen = false; // the present attempt has succeeded

  connection = { state: "connecting", text: "Connecting…" };

  // exists reports whether the feed has an address from which events may come.
  get exists() { return this.#client !== null; }

  // lastMessageAt is when the last message came, by performance.now().
  get lastMessageAt() { return this.#client?.lastMessageAt ?? 0; }

  // watch connects to the events at a URL with a token, "" if it needs none; without a URL it ends.
  watch(url, token = "") {
    if (url === this.#url && token === this.#token) return;
    [this.#url, this.#token, this.#wasOpen] = [url, token, false];
    this.#client?.close();
    this.#client = url ? new GatewayClient(url, { heartbeat: HEARTBEAT, token }) : null;
    if (!this.#client) {
      this.connection = { state: "none", text: "No events to watch" };
      return;
    }
    const client = this.#client;
    const pass = (name, detail) => { if (this.#client === client) this.dispatchEvent(new CustomEvent(name, { detail })); };
    client.addEventListener("state", ({ detail }) => {
      if (this.#client !== client) return;
      this.connection = detail;
      pass("state", detail);
      if (detail.state === "disconnected" && !this.#wasOpen) this.#explain(url, token);
      this.#wasOpen = detail.state === "connected";
    });
    client.addEventListener("welcome", ({ detail }) => pass("welcome", detail));
    client.addEventListener("pong", ({ detail }) => pass("pong", detail));
    client.subscribe({}, {
      onMessage: (payload) => pass("message", payload),
      onResumed: () => pass("resumed"),
      onGap: (gap) => pass("gap", gap),
    });
  }

  // #explain asks why the gateway refuses the page.
  async #explain(url, token) {
    const refusal = await refusalOf(url, token);
    if (!refusal || url !== this.#url || token !== this.#token || this.connection.state === "connected") return;
    this.connection = { ...this.connection, text: `Refused: ${refusal.reason}` };
    this.dispatchEvent(new CustomEvent("refused", { detail: refusal }));
  }

  // reconnect ends the connection, and connects again at once.
  reconnect() { this.#client?.connect(); }

  // ping asks for a pong. It reports whether there is a connection.
  ping() { return this.#client?.ping() ?? false; }
}
