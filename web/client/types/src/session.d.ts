/** Holds the subscriptions of one connection. */
export class Session {
    /**
     * @param {Settings} settings
     * @param {import("./token.js").Token} token
     * @param {import("./connection.js").Emit} emit
     */
    constructor(settings: Settings, token: import("./token.js").Token, emit: import("./connection.js").Emit);
    /** @readonly */
    readonly connection: Connection;
    /**
     * Adds a subscription behind a position, and connects.
     *
     * @param {Selection} selection
     * @param {Position | null} position
     * @param {(delivery: Delivery) => void} deliver
     */
    open(selection: Selection, position: Position | null, deliver: (delivery: Delivery) => void): Stream;
    /**
     * Asks who is on a channel. A question without an answer is asked again on the next connection.
     *
     * @param {string} channel
     */
    askPresence(channel: string): Promise<import("./subscription.js").Presence>;
    get state(): import("./connection.js").State;
    get url(): URL;
    get lastMessageAt(): number;
    connect(): void;
    ping(): boolean;
    close(): void;
    #private;
}
export type Settings = import("./connection.js").Settings;
export type Control = import("./protocol.js").Control;
export type Selection = import("./subscription.js").Selection;
export type Position = import("./subscription.js").Position;
export type Delivery = import("./subscription.js").Delivery;
import { Connection } from "./connection.js";
import { Stream } from "./stream.js";
