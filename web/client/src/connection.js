import { Backoff } from "./backoff.js";
import { Heartbeat } from "./heartbeat.js";
import { watchPage } from "./page.js";
import { PROTOCOL, decodeControl, subprotocols } from "./protocol.js";

const CONNECT_TIMEOUT = 2000; // milliseconds, doubled after each attempt: a frozen gateway accepts connections without an answer
const LONGEST_TIMEOUT = 30_000;
const OPEN = 1; // readyState
const POLICY = 1008; // close code, also of a token that has expired
const REMOVED = 4000; // close code: an operator has disconnected the client, which must not connect again by itself

/** @typedef {{ urls: URL[], heartbeat: number, WebSocket: import("./client.js").WebSocketConstructor }} Settings */
/** @typedef {"connecting" | "connected" | "silent" | "disconnected"} State silent: no message, and no answer to a ping */

/** @typedef {(name: "state" | "welcome" | "refused" | "pong", detail: any) => void} Emit an event of the client */

/**
 * @typedef {object} Callbacks
 * @property {(url: URL) => URL} address returns the URL of the next attempt
 * @property {() => void} opened
 * @property {() => void} closed the connection is gone, or was not opened
 * @property {(message: import("./protocol.js").Control) => void} control
 * @property {(payload: string | Blob) => void} payload
 * @property {Emit} emit
 */

/**
 * A WebSocket connection that is opened again without end: with backoff, at once when the browser is
 * online again, at the next URL after a failure, and where the gateway is silent.
 */
export class Connection {
  #urls;
  #next = 0; // index of the URL
  #token;
  #WebSocket;
  #callbacks;
  #backoff = new Backoff();
  #heartbeat;
  #abort = new AbortController();
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #unanswered = 0; // consecutive attempts without an answer, with this one
  /** @type {Set<number>} */
  #pings = new Set();
  #started = false;
  #removed = false; // by an operator: only connect() connects again

  /** @type {State} */
  state = "disconnected";

  /**
   * @param {Settings} settings
   * @param {import("./token.js").Token} token
   * @param {Callbacks} callbacks
   */
  constructor({ urls, heartbeat, WebSocket }, token, callbacks) {
    this.#urls = urls;
    this.#token = token;
    this.#WebSocket = WebSocket;
    this.#callbacks = callbacks;
    this.#heartbeat = new Heartbeat(heartbeat, () => this.send({ type: "ping" }), () => {
      this.#setState("silent", "No response: reconnecting");
      this.#next++;
      this.connect();
    });
    watchPage({
      online: () => { if (this.#started && !this.#removed && this.state !== "connected") this.connect(); },
      offline: () => this.#setState("disconnected", "Offline: waiting for the network"),
      returned: () => this.#returned(),
    }, this.#abort.signal);
  }

  /** The URL of this or the next attempt. */
  get url() {
    return this.#urls[this.#next % this.#urls.length];
  }

  get lastMessageAt() {
    return this.#heartbeat.lastMessageAt;
  }

  /** Opens the connection, if that has not begun. */
  start() {
    if (!this.#started) this.connect();
  }

  /** Replaces the connection by a new one. It does nothing after close. */
  connect() {
    if (this.#abort.signal.aborted) return;
    this.#started = true;
    this.#removed = false;
    clearTimeout(this.#timer);
    this.#drop();
    if (this.state !== "silent") this.#setState("connecting", "Connecting…");
    if (this.#token.renewable && this.#token.stale) this.#renewToken(() => this.#open());
    else this.#open();
  }

  /** Closes the connection for good, and removes the listeners on the page. */
  close() {
    this.#abort.abort();
    clearTimeout(this.#timer);
    this.#token.cancel();
    this.#drop();
    this.#setState("disconnected", "Closed");
  }

  /** @param {object} message is sent while the connection is open, and ignored else */
  send(message) {
    if (this.#socket?.readyState === OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** Measures the round trip, and calls back with it. It returns false without a connection. */
  ping() {
    if (this.state !== "connected") return false;
    const timestamp = performance.now();
    this.#pings.add(timestamp);
    this.send({ type: "ping", timestamp });
    return true;
  }

  /** @param {() => void} then */
  #renewToken(then) {
    this.#token.renew(then, (reason) => {
      this.#callbacks.emit("refused", reason);
      if (!this.#socket) this.#retry("no token");
    });
  }

  #open() {
    clearTimeout(this.#timer);
    const address = this.#callbacks.address(this.url);
    /** @type {WebSocket} */
    let socket;
    try {
      socket = new this.#WebSocket(address, subprotocols(this.#token.value));
    } catch (err) {
      this.#setState("disconnected", `Cannot connect to ${this.url}: ${err instanceof Error ? err.message : err}`);
      return;
    }
    socket.binaryType = "arraybuffer"; // read synchronously, and so in order
    this.#socket = socket;
    this.#timer = setTimeout(() => {
      this.#next++;
      this.connect();
    }, Math.min(LONGEST_TIMEOUT, CONNECT_TIMEOUT * 2 ** this.#unanswered++));
    this.#token.stale = true;
    socket.onopen = () => this.#opened();
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onerror = () => {}; // close follows
    socket.onclose = ({ code, reason }) => {
      if (code === POLICY) this.#token.stale = true;
      if (code === REMOVED) {
        this.#end(reason);
        return;
      }
      this.#next++;
      this.#retry(reason || (code === 1006 ? "" : `code ${code}`));
    };
  }

  /** @param {string} reason why an operator has disconnected the client */
  #end(reason) {
    clearTimeout(this.#timer);
    this.#removed = true;
    this.#drop();
    this.#setState("disconnected", `Disconnected by the gateway${reason ? ` (${reason})` : ""}`);
  }

  #opened() {
    clearTimeout(this.#timer);
    this.#backoff.reset();
    this.#unanswered = 0;
    this.#token.stale = false;
    this.#setState("connected", "Connected");
    if (this.#socket?.protocol === PROTOCOL) this.#heartbeat.start();
    else this.#heartbeat.received();
    this.#callbacks.opened();
  }

  /** @param {string | ArrayBuffer} data */
  #receive(data) {
    this.#heartbeat.received();
    const control = this.#socket?.protocol === PROTOCOL ? decodeControl(data) : null;
    if (!control) {
      this.#callbacks.payload(typeof data === "string" ? data : new Blob([data]));
      return;
    }
    switch (control.type) {
      case "expiring":
        if (this.#token.renewable) this.#renewToken(() => this.send({ type: "auth", token: this.#token.value }));
        return;
      case "auth":
        if (control.reason) this.#callbacks.emit("refused", control.reason);
        return;
      case "pong":
        if (this.#pings.delete(control.timestamp)) this.#callbacks.emit("pong", performance.now() - control.timestamp);
        return;
    }
    this.#callbacks.control(control);
  }

  // #drop closes the socket and ignores its further events, so that there is never more than one.
  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    this.#pings.clear();
    this.#heartbeat.stop();
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    this.#callbacks.closed();
  }

  #returned() {
    if (this.state === "connected" && this.#socket?.protocol === PROTOCOL) this.#heartbeat.probe();
    else if (this.state === "disconnected" && this.#started && !this.#removed) this.connect();
  }

  /** @param {string} why */
  #retry(why) {
    clearTimeout(this.#timer);
    this.#unanswered = 0;
    this.#drop();
    const pause = this.#backoff.next();
    this.#setState("disconnected", `Disconnected${why ? ` (${why})` : ""}, next try in ${(pause / 1000).toFixed(1)} s`);
    this.#timer = setTimeout(() => this.connect(), pause);
  }

  /**
   * @param {State} state
   * @param {string} text
   */
  #setState(state, text) {
    this.state = state;
    this.#callbacks.emit("state", { state, text });
  }
}
