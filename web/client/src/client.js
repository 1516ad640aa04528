import { Session } from "./session.js";
import { Subscription } from "./subscription.js";
import { Token } from "./token.js";

const HEARTBEAT = 15_000; // milliseconds

/** @typedef {import("./subscription.js").Selection} Selection */
/** @typedef {import("./subscription.js").Handlers} Handlers */
/** @typedef {new (url: string | URL, protocols?: string | string[]) => any} WebSocketConstructor */

/**
 * @typedef {object} Options
 * @property {string} [token] the token with which the gateway knows the client
 * @property {() => string | Promise<string>} [getToken] returns a token: is called for the first connection,
 *   before a token expires, and after a connection that was refused
 * @property {number} [heartbeat] milliseconds without a message after which the client sends a ping; 0: never. Default 15,000
 * @property {WebSocketConstructor} [WebSocket] where there is no global one
 */

/**
 * A client of the gateway. It connects with its first subscription, and again without end.
 *
 * Events: "state" (detail: {state, text}), "welcome" (detail: the gateway's message), "pong" (detail: the
 * round trip of `ping` in milliseconds), "refused" (detail: why there is no token, or it was refused).
 */
export class GatewayClient extends EventTarget {
  #session;

  /**
   * @param {string | URL | (string | URL)[]} urls of the gateway; of several, the next one is tried after a failure
   * @param {Options} [options]
   */
  constructor(urls, { token = "", getToken, heartbeat = HEARTBEAT, WebSocket = globalThis.WebSocket } = {}) {
    super();
    if (!WebSocket) throw new Error("There is no global WebSocket: pass one as the option WebSocket");
    const list = [urls].flat().map((url) => new URL(url, globalThis.location?.href));
    if (list.length === 0) throw new Error("GatewayClient needs a URL");
    this.#session = new Session(list, new Token(token, getToken ?? null), { heartbeat, WebSocket }, {
      state: (state, text) => this.#emit("state", { state, text }),
      welcome: (message) => this.#emit("welcome", message),
      refused: (reason) => this.#emit("refused", reason),
      pong: (milliseconds) => this.#emit("pong", milliseconds),
    });
  }

  /** "connecting", "connected", "silent": no message and no answer to a ping, or "disconnected". */
  get state() {
    return this.#session.connection.state;
  }

  /** When the last message came, by performance.now(). */
  get lastMessageAt() {
    return this.#session.connection.lastMessageAt;
  }

  /**
   * Subscribes to events, and connects.
   *
   * @param {Selection} selection
   * @param {Handlers} handlers
   * @returns {Subscription}
   */
  subscribe(selection, handlers) {
    const session = this.#session;
    const subscription = new Subscription(handlers, {
      change: (changed) => stream.change(changed),
      close: () => session.close(stream),
    });
    const stream = session.open(selection, null, (delivery) => subscription.receive(delivery));
    return subscription;
  }

  /** Replaces the connection by a new one. It does nothing after close. */
  connect() {
    this.#session.connection.connect();
  }

  /** Measures the round trip; the event "pong" has the result. It returns false without a connection. */
  ping() {
    return this.#session.connection.ping();
  }

  /** Ends the connection for good. */
  close() {
    this.#session.connection.close();
  }

  /**
   * @param {string} name
   * @param {any} detail
   */
  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
