import { GatewayClient } from "../../client/index.js";

const HEARTBEAT = 500; // milliseconds

// EventFeed receives the events of one WebSocket sink.
//
// Events: "state" (detail: {state, text, why}), "message" (detail: a string or a Blob), "gap" (detail: {source, reason}), "resumed",
// "welcome" (detail: the message), "pong" (detail: the round trip in milliseconds).
export class EventFeed extends EventTarget {
  #client = null;
  #url = null;

  connection = { state: "connecting", text: "Connecting…" };

  // connected reports whether the feed has an address from which events may come.
  get exists() { return this.#client !== null; }

  // lastMessageAt is when the last message came, by performance.now().
  get lastMessageAt() { return this.#client?.lastMessageAt ?? 0; }

  // watch connects to the events at a URL; "" if there are none.
  watch(url) {
    if (url === this.#url) return;
    this.#url = url;
    this.#client?.close();
    this.#client = url ? new GatewayClient(url, { heartbeat: HEARTBEAT }) : null;
    if (!this.#client) {
      this.connection = { state: "none", text: "No events to watch", why: "no sink of this gateway is a websocket at this listener" };
      return;
    }
    const client = this.#client;
    const pass = (name, detail) => { if (this.#client === client) this.dispatchEvent(new CustomEvent(name, { detail })); };
    client.addEventListener("state", ({ detail }) => {
      if (this.#client === client) this.connection = detail;
      pass("state", detail);
    });
    client.addEventListener("welcome", ({ detail }) => pass("welcome", detail));
    client.addEventListener("pong", ({ detail }) => pass("pong", detail));
    client.subscribe({}, {
      onMessage: (payload) => pass("message", payload),
      onResumed: () => pass("resumed"),
      onGap: (gap) => pass("gap", gap),
    });
  }

  // reconnect ends the connection, and connects again at once.
  reconnect() { this.#client?.connect(); }

  // ping asks for a pong. It reports whether there is a connection.
  ping() { return this.#client?.ping() ?? false; }
}

// feedURL returns the URL of the first WebSocket sink of a status: the one at the path of the page, if there is one; "" if there is none.
export function feedURL({ sinks }, page) {
  const paths = sinks.flatMap((sink) => sink.paths ?? []).filter((path) => !path.includes("{"));
  if (paths.length === 0) return "";
  return new URL(paths.includes("/") ? "." : `.${paths[0]}`, page).href;
}
