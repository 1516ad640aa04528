/** @typedef {import("./subscription.js").Selection} Selection */
/** @typedef {import("./subscription.js").Position} Position */
/** @typedef {import("./subscription.js").Delivery} Delivery */
/** @typedef {import("./subscription.js").Stream} Stream */
/** @typedef {{ readonly url: URL, open(selection: Selection, position: Position | null, deliver: (delivery: Delivery) => void): Stream }} Link */
/**
 * Fetches the rows of a table, and subscribes to their changes behind them. Where a gap follows, it begins
 * again.
 */
export class Snapshot {
    /**
     * @param {string} table
     * @param {Selection} selection
     * @param {Link} link
     * @param {import("./token.js").Token} token
     * @param {(delivery: Delivery) => void} deliver
     */
    constructor(table: string, selection: Selection, link: Link, token: import("./token.js").Token, deliver: (delivery: Delivery) => void);
    /** @param {Selection} selection */
    change(selection: Selection): void;
    close(): void;
    #private;
}
export type Selection = import("./subscription.js").Selection;
export type Position = import("./subscription.js").Position;
export type Delivery = import("./subscription.js").Delivery;
export type Stream = import("./subscription.js").Stream;
export type Link = {
    readonly url: URL;
    open(selection: Selection, position: Position | null, deliver: (delivery: Delivery) => void): Stream;
};
