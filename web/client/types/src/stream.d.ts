/** @typedef {import("./protocol.js").Control} Control */
/** @typedef {import("./subscription.js").Selection} Selection */
/** @typedef {import("./subscription.js").Position} Position */
/** @typedef {import("./subscription.js").Attributes} Attributes */
/** @typedef {import("./subscription.js").Delivery} Delivery */
/**
 * One subscription as the gateway has it: it knows the position, and requests the subscription again on
 * each connection.
 *
 * It resumes with the last selection that the gateway has accepted, and sends a newer one after that. So
 * a wrong one is refused with a reason, and the former one stays.
 */
export class Stream {
    /**
     * @param {Selection} selection
     * @param {Position | null} position
     * @param {{ send(message: object): void, deliver(delivery: Delivery): void, closed(stream: Stream): void }} callbacks
     */
    constructor(selection: Selection, position: Position | null, callbacks: {
        send(message: object): void;
        deliver(delivery: Delivery): void;
        closed(stream: Stream): void;
    });
    /** The gateway has accepted a selection, on this connection or before. */
    accepted: boolean;
    /** The gateway has sent the position, on this connection. */
    subscribed: boolean;
    /** @type {string | null} its id on this connection */
    id: string | null;
    get selection(): import("./subscription.js").Selection;
    get position(): import("./subscription.js").Position | null;
    /** Who is on the channels that it watches, where that is known. */
    get presences(): import("./subscription.js").Presence[];
    /**
     * Begins on a connection whose query has the subscription.
     *
     * @param {string} id
     */
    connecting(id: string): void;
    /**
     * Requests the subscription on a connection that is open.
     *
     * @param {string} id
     */
    request(id: string): void;
    /** Ends on this connection, which is gone. */
    disconnected(): void;
    /**
     * Replaces the selection, without a gap.
     *
     * @param {Selection} selection
     */
    change(selection: Selection): void;
    /** Ends it, and tells the gateway. */
    close(): void;
    /** @param {string | Blob} payload */
    payload(payload: string | Blob): void;
    /**
     * Handles a control message of this subscription.
     *
     * @param {Control} message
     */
    control(message: Control): void;
    /**
     * Handles a message of presence. It returns who is on the channel, null if it does not watch it.
     *
     * @param {Control} message
     */
    presence(message: Control): import("./subscription.js").Presence | null;
    #private;
}
export type Control = import("./protocol.js").Control;
export type Selection = import("./subscription.js").Selection;
export type Position = import("./subscription.js").Position;
export type Attributes = import("./subscription.js").Attributes;
export type Delivery = import("./subscription.js").Delivery;
