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
    /**
     * @param {string | URL | (string | URL)[]} urls of the gateway; of several, the next one is tried after a failure
     * @param {Options} [options]
     */
    constructor(urls: string | URL | (string | URL)[], { token, getToken, heartbeat, share, WebSocket }?: Options);
    /** "connecting", "connected", "silent": no message and no answer to a ping, or "disconnected". */
    get state(): import("./connection.js").State;
    /** When the last message came, by performance.now(). */
    get lastMessageAt(): number;
    /**
     * Subscribes to events, and connects. With `snapshot`, it fetches the rows of this table first, and misses no change of them.
     *
     * @param {Request} request
     * @param {Handlers} handlers
     * @returns {Subscription}
     */
    subscribe({ snapshot, ...selection }: Request, handlers: Handlers): Subscription;
    /**
     * Asks who is on a channel to which this client subscribes by its name. The promise is rejected with the reason of the
     * gateway, or if the client is closed.
     *
     * @param {string} channel
     */
    askPresence(channel: string): Promise<import("./subscription.js").Presence>;
    /** Replaces the connection by a new one. It does nothing after close. */
    connect(): void;
    /** Measures the round trip; the event "pong" has the result. It returns false without a connection. */
    ping(): boolean;
    /** Ends the connection for good. */
    close(): void;
    #private;
}
export type Request = import("./subscription.js").Request;
export type Handlers = import("./subscription.js").Handlers;
export type WebSocketConstructor = new (url: string | URL, protocols?: string | string[]) => any;
export type Options = {
    /**
     * the token with which the gateway knows the client
     */
    token?: string | undefined;
    /**
     * returns a token: is called for the first connection,
     * before a token expires, and after a connection that was refused
     */
    getToken?: (() => string | Promise<string>) | undefined;
    /**
     * milliseconds without a message after which the client sends a ping; 0: never. Default 15,000
     */
    heartbeat?: number | undefined;
    /**
     * whether the tabs of this origin share one connection, where they have the same URLs, options and rights
     */
    share?: boolean | undefined;
    /**
     * where there is no global one
     */
    WebSocket?: WebSocketConstructor | undefined;
};
import { Subscription } from "./subscription.js";
