// A WebSocket client of the gateway: connects, and connects again for ever, with
// full-jitter backoff, at once when the browser is back online.

const FIRST_PAUSE = 500; // milliseconds, upper bound
const LONGEST_PAUSE = 30_000;
const PROTOCOL = "eventgateway.v1"; // asks for messages about gaps, too

// Events: "state" (detail: {state, text}), "message" (detail: text or Blob),
// "gap" (detail: the gateway's message), "pong" (detail: milliseconds).
export class GatewayClient extends EventTarget {
  #url;
  #socket = null;
  #attempt = 0;
  #timer = 0;
  #pings = new Map();

  constructor(url) {
    super();
    this.#url = url;
    addEventListener("online", () => { if (this.state !== "connected") this.connect(); });
    addEventListener("offline", () => this.#say("disconnected", "Offline: waiting for the network"));
  }

  state = "disconnected";

  // connect drops the connection there is, and makes a new one.
  connect() {
    clearTimeout(this.#timer);
    this.#drop();
    this.#say("connecting", "Connecting…");
    let socket;
    try {
      socket = new WebSocket(this.#url, PROTOCOL);
    } catch (err) {
      this.#say("disconnected", `Cannot connect to ${this.#url}: ${err.message}`);
      return;
    }
    socket.binaryType = "blob";
    this.#socket = socket;
    socket.onopen = () => { this.#attempt = 0; this.#say("connected", "Connected"); };
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = (event) => { if (socket === this.#socket) this.#retry(event); };
  }

  // ping measures the round trip; "pong" tells the result.
  ping() {
    if (this.state !== "connected") return false;
    const timestamp = performance.now();
    this.#pings.set(timestamp, true);
    this.#socket.send(JSON.stringify({ type: "ping", timestamp }));
    return true;
  }

  // #drop closes the socket and forgets it: whatever it still says is not heard,
  // so there are never two.
  #drop() {
    const old = this.#socket;
    this.#socket = null;
    this.#pings.clear();
    if (!old) return;
    old.onopen = old.onmessage = old.onclose = null;
    old.close();
  }

  #retry(event) {
    this.#drop();
    const bound = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** this.#attempt++);
    const pause = Math.random() * bound;
    const why = event.reason || (event.code === 1006 ? "" : `code ${event.code}`);
    this.#say("disconnected", `Disconnected${why ? ` (${why})` : ""}, next try in ${(pause / 1000).toFixed(1)} s`);
    this.#timer = setTimeout(() => this.connect(), pause);
  }

  #receive(data) {
    const control = typeof data === "string" && data.startsWith('{"type":"') ? parse(data) : null;
    if (control?.type === "pong" && this.#pings.delete(control.timestamp)) {
      this.#emit("pong", performance.now() - control.timestamp);
    } else if (control?.type === "gap" && "reason" in control) {
      this.#emit("gap", control);
    } else if (control?.type === "welcome") {
      this.#emit("welcome", control);
    } else {
      this.#emit("message", data);
    }
  }

  #say(state, text) {
    this.state = state;
    this.#emit("state", { state, text });
  }

  #emit(name, detail) { this.dispatchEvent(new CustomEvent(name, { detail })); }
}

// parse returns what JSON text holds, undefined where it is none.
export function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
