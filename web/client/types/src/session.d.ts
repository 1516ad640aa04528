/** @typedef {import("./client.js").WebSocketConstructor} WebSocketConstructor */
/** @typedef {import("./protocol.js").Control} Control */
/** @typedef {import("./subscription.js").Selection} Selection */
/** @typedef {import("./subscription.js").Position} Position */
/** @typedef {import("./subscription.js").Delivery} Delivery */
/** Holds the subscriptions of one connection. */
export class Session {
    /**
     * @param {URL[]} urls
     * @param {import("./token.js").Token} token
     * @param {{ heartbeat: number, WebSocket: WebSocketConstructor }} options
     * @param {Pick<import("./connection.js").Callbacks, "state" | "refused" | "pong"> & { welcome: (message: Control) => void }} callbacks
     */
    constructor(urls: URL[], token: import("./token.js").Token, options: {
        heartbeat: number;
        WebSocket: WebSocketConstructor;
    }, callbacks: Pick<import("./connection.js").Callbacks, "state" | "refused" | "pong"> & {
        welcome: (message: Control) => void;
    });
    connection: Connection;
    /**
     * Adds a subscription behind a position, and connects.
     *
     * @param {Selection} selection
     * @param {Position | null} position
     * @param {(delivery: Delivery) => void} deliver
     */
    open(selection: Selection, position: Position | null, deliver: (delivery: Delivery) => void): Stream;
    /** @param {Stream} stream */
    close(stream: Stream): void;
    #private;
}
export type WebSocketConstructor = import("./client.js").WebSocketConstructor;
export type Control = import("./protocol.js").Control;
export type Selection = import("./subscription.js").Selection;
export type Position = import("./subscription.js").Position;
export type Delivery = import("./subscription.js").Delivery;
import { Connection } from "./connection.js";
import { Stream } from "./stream.js";
