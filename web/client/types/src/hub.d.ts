/** @typedef {import("./subscription.js").Selection} Selection */
/** @typedef {import("./subscription.js").Position} Position */
/** @typedef {import("./subscription.js").Delivery} Delivery */
/** @typedef {{ stream: import("./stream.js").Stream, start: Position | null, members: Set<string>, changed: boolean }} Group */
/**
 * Serves the subscriptions of all tabs by one session, in the tab that leads. Those with the same
 * selection and the same position are one subscription at the gateway.
 */
export class Hub {
    /**
     * @param {import("./session.js").Session} session
     * @param {(members: string[], delivery: Delivery) => void} deliver
     */
    constructor(session: import("./session.js").Session, deliver: (members: string[], delivery: Delivery) => void);
    /**
     * @param {string} member
     * @param {Selection} selection
     * @param {Position | null} position
     */
    join(member: string, selection: Selection, position: Position | null): void;
    /**
     * Replaces the selection of a member. One that others have too is split off where it stands.
     *
     * @param {string} member
     * @param {Selection} selection
     */
    change(member: string, selection: Selection): void;
    /** @param {string} member */
    leave(member: string): void;
    /** @param {string} tab */
    leaveAll(tab: string): void;
    #private;
}
export type Selection = import("./subscription.js").Selection;
export type Position = import("./subscription.js").Position;
export type Delivery = import("./subscription.js").Delivery;
export type Group = {
    stream: import("./stream.js").Stream;
    start: Position | null;
    members: Set<string>;
    changed: boolean;
};
