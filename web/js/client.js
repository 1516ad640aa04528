// A WebSocket client of the gateway: connects, and connects again for ever, with
// full-jitter backoff, at once when the browser is back online.

const FIRST_PAUSE = 500; // milliseconds, upper bound
const LONGEST_PAUSE = 30_000;
const PROTOCOL = "eventgateway.v2"; // asks for messages about gaps and positions, too
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

// Events: "state" (detail: {state, text}), "message" (detail: text or Blob),
// "leave" (detail: the message that took a row out of the filter), "gap" (detail: the
// gateway's message), "resumed" (detail: whether everything that was missed comes),
// "pong" (detail: milliseconds), "refused" (detail: why a subscription was not taken).
//
// A client that comes back names its place: everything up to #offset of #epoch, and #seen
// messages more, which it has counted itself.
export class GatewayClient extends EventTarget {
  #url;
  #token;
  #subscription = {}; // {channels, filter}
  #asked = null; // that the gateway has not answered yet
  #epoch = "";
  #offset = 0;
  #seen = 0;
  #greeted = false;
  #socket = null;
  #attempt = 0;
  #timer = 0;
  #pings = new Map();

  // options: token, channels, filter; see the sink's README.
  constructor(url, { token = "", ...subscription } = {}) {
    super();
    this.#url = new URL(url, location.href);
    this.#token = token;
    this.#subscription = subscription;
    addEventListener("online", () => { if (this.state !== "connected") this.connect(); });
    addEventListener("offline", () => this.#say("disconnected", "Offline: waiting for the network"));
  }

  state = "disconnected";

  // connect drops the connection there is, and makes a new one.
  connect() {
    clearTimeout(this.#timer);
    this.#drop();
    if (this.#asked) [this.#subscription, this.#asked, this.#epoch] = [this.#asked, null, ""];
    this.#greeted = false;
    this.#say("connecting", "Connecting…");
    let socket;
    try {
      socket = new WebSocket(this.#place(), this.#token ? [PROTOCOL, `bearer.${this.#token}`] : PROTOCOL);
    } catch (err) {
      this.#say("disconnected", `Cannot connect to ${this.#url}: ${err.message}`);
      return;
    }
    socket.binaryType = "arraybuffer"; // read at once, and so in order
    this.#socket = socket;
    socket.onopen = () => { this.#attempt = 0; this.#say("connected", "Connected"); };
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = (event) => { if (socket === this.#socket) this.#retry(event); };
  }

  // subscribe goes on with another subscription, without a gap.
  subscribe(subscription) {
    if (this.state !== "connected") {
      this.#subscription = subscription;
      this.#epoch = ""; // its place was one of the other's
      return;
    }
    this.#asked = subscription;
    const place = this.#epoch ? { epoch: this.#epoch, offset: this.#offset, seen: this.#seen } : {};
    this.#socket.send(JSON.stringify({ type: "subscribe", ...subscription, ...place }));
  }

  // #place is the URL that goes on where the client was.
  #place() {
    const url = new URL(this.#url);
    const { channels = [], filter = "" } = this.#subscription;
    for (const channel of channels) url.searchParams.append("channel", channel);
    if (filter) url.searchParams.set("filter", filter);
    if (this.#epoch) {
      for (const [name, value] of [["epoch", this.#epoch], ["offset", this.#offset], ["seen", this.#seen]]) url.searchParams.set(name, value);
    }
    return url;
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
    const control = this.#control(data);
    if (!control) {
      this.#seen++;
      this.#emit("message", typeof data === "string" ? data : new Blob([data]));
      return;
    }
    switch (control.type) {
      case "subscribed":
        if (this.#asked) [this.#subscription, this.#asked] = [this.#asked, null];
        if ("recovered" in control) this.#emit("resumed", control.recovered);
        [this.#epoch, this.#offset, this.#seen] = [control.epoch, control.offset, control.seen];
        return;
      case "position":
        [this.#offset, this.#seen] = [control.offset, 0];
        return;
      case "leave":
        this.#seen++;
        this.#emit("leave", control.message);
        return;
      case "error":
        this.#asked = null;
        this.#emit("refused", control.reason);
        return;
      case "pong":
        if (!this.#pings.delete(control.timestamp)) return;
        this.#emit("pong", performance.now() - control.timestamp);
        return;
      case "gap":
        this.#emit("gap", control);
        return;
    }
    if (!this.#greeted) this.#emit("welcome", control); // the first message may greet
    this.#greeted = true;
  }

  // #control returns the message about the connection that data is; null for an event. Events
  // that are UTF-8 come as text, so that bytes which are UTF-8 are never one, whatever an
  // event looks like.
  #control(data) {
    if (typeof data === "string" || this.#socket.protocol !== PROTOCOL) return null;
    try {
      return JSON.parse(UTF8.decode(data));
    } catch {
      return null;
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
