import { Session } from "./session.js";
import { Sharing, canShare } from "./sharing.js";
import { Snapshot } from "./snapshot.js";
import { Subscription } from "./subscription.js";
import { Token } from "./token.js";

const HEARTBEAT = 15_000; // milliseconds

/** @typedef {import("./subscription.js").Request} Request */
/** @typedef {import("./subscription.js").Handlers} Handlers */
/** @typedef {new (url: string | URL, protocols?: string | string[]) => any} WebSocketConstructor */

/**
 * @typedef {object} Options
 * @property {string} [token] the token with which the gateway knows the client
 * @property {() => string | Promise<string>} [getToken] returns a token: is called for the first connection,
 *   before a token expires, and after a connection that was refused
 * @property {number} [heartbeat] milliseconds without a message after which the client sends a ping; 0: never. Default 15,000
 * @property {boolean} [share] whether the tabs of this origin share one connection, where they have the same URLs, options and rights
 * @property {WebSocketConstructor} [WebSocket] where there is no global one
 */

/**
 * A client of the gateway. It connects with its first subscription, and again without end.
 *
 * Events: "state" (detail: {state, text}), "welcome" (detail: the gateway's message), "pong" (detail: the
 * round trip of `ping` in milliseconds), "refused" (detail: why there is no token, or it was refused).
 */
export class GatewayClient extends EventTarget {
  #link;
  #token;

  /**
   * @param {string | URL | (string | URL)[]} urls of the gateway; of several, the next one is tried after a failure
   * @param {Options} [options]
   */
  constructor(urls, { token = "", getToken, heartbeat = HEARTBEAT, share = false, WebSocket = globalThis.WebSocket } = {}) {
    super();
    if (!WebSocket) throw new Error("There is no global WebSocket: pass one as the option WebSocket");
    const list = [urls].flat().map((url) => new URL(url, globalThis.location?.href));
    if (list.length === 0) throw new Error("GatewayClient needs a URL");
    this.#token = new Token(token, getToken ?? null);
    const settings = { urls: list, heartbeat, WebSocket };
    /** @type {import("./connection.js").Emit} */
    const emit = (name, detail) => { this.dispatchEvent(new CustomEvent(name, { detail })); };
    this.#link = share && canShare() ? new Sharing(settings, this.#token, emit) : new Session(settings, this.#token, emit);
  }

  /** "connecting", "connected", "silent": no message and no answer to a ping, or "disconnected". */
  get state() {
    return this.#link.state;
  }

  /** When the last message came, by performance.now(). */
  get lastMessageAt() {
    return this.#link.lastMessageAt;
  }

  /**
   * Subscribes to events, and connects. With `snapshot`, it fetches the rows of this table first, and misses no change of them.
   *
   * @param {Request} request
   * @param {Handlers} handlers
   * @returns {Subscription}
   */
  subscribe({ snapshot, ...selection }, handlers) {
    return new Subscription(handlers, (deliver) => snapshot
      ? new Snapshot(snapshot, selection, this.#link, this.#token, deliver)
      : this.#link.open(selection, null, deliver));
  }

  /**
   * Asks who is on a channel to which this client subscribes by its name. The promise is rejected with the reason of the
   * gateway, or if the client is closed.
   *
   * @param {string} channel
   */
  askPresence(channel) {
    return this.#link.askPresence(channel);
  }

  /** Replaces the connection by a new one. It does nothing after close. */
  connect() {
    this.#link.connect();
  }

  /** Measures the round trip; the event "pong" has the result. It returns false without a connection. */
  ping() {
    return this.#link.ping();
  }

  /** Ends the connection for good. */
  close() {
    this.#link.close();
  }
}
