export function canShare(): boolean;
/**
 * The subscriptions of a tab, on the connection of the tab that leads.
 *
 * Each tab knows the position of its own subscriptions: that of the last message it got. It joins
 * a new leader with it, and ignores what the former one still sends. So it misses nothing, and gets
 * nothing twice.
 */
export class Sharing {
    /**
     * @param {import("./connection.js").Settings} settings
     * @param {Token} token
     * @param {import("./connection.js").Emit} emit
     */
    constructor(settings: import("./connection.js").Settings, token: Token, emit: import("./connection.js").Emit);
    /** @type {State} */
    state: State;
    url: URL;
    get lastMessageAt(): number;
    /**
     * @param {Selection} selection
     * @param {Position | null} position
     * @param {(delivery: Delivery) => void} deliver
     */
    open(selection: Selection, position: Position | null, deliver: (delivery: Delivery) => void): {
        change: (changed: Selection) => void;
        close: () => void;
    };
    /** @param {string} channel */
    askPresence(channel: string): Promise<import("./subscription.js").Presence>;
    connect(): void;
    ping(): boolean;
    close(): void;
    #private;
}
export type Selection = import("./subscription.js").Selection;
export type Position = import("./subscription.js").Position;
export type Delivery = import("./subscription.js").Delivery;
export type State = import("./connection.js").State;
export type Member = {
    key: string;
    selection: Selection;
    next: Selection | null;
    position: Position | null;
    deliver: (delivery: Delivery) => void;
};
import { Token } from "./token.js";
