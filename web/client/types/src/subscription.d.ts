/** A subscription of a client. */
export class Subscription {
    /**
     * @param {Handlers} handlers
     * @param {(deliver: (delivery: Delivery) => void) => Stream} open
     */
    constructor(handlers: Handlers, open: (deliver: (delivery: Delivery) => void) => Stream);
    /** @type {Position | null} behind the last message that the handlers got */
    position: Position | null;
    /**
     * Replaces the selection without a gap. If the gateway refuses it, the former one stays.
     *
     * @param {Selection} selection
     */
    change(selection: Selection): void;
    /** Ends the subscription. No handler is called after it. */
    close(): void;
    #private;
}
export type Selection = {
    /**
     * names of channels; with none, the events of all
     */
    channels?: string[] | undefined;
    /**
     * an expression that is true for the events
     */
    filter?: string | undefined;
    /**
     * whether onPresence is called with who is on the channels
     */
    presence?: boolean | undefined;
    /**
     * whether onMessage is called with what an event has beside its payload, where the gateway allows it
     */
    attributes?: boolean | undefined;
    /**
     * begin with those of this many latest events of the history that are in the subscription
     */
    last?: number | undefined;
};
/**
 * What an event has beside its payload. What it has not is missing.
 */
export type Attributes = {
    channel?: string | undefined;
    key?: string | undefined;
    id?: string | undefined;
    source?: string | undefined;
    /**
     * when the gateway has received it, as ISO 8601
     */
    time?: string | undefined;
    /**
     * when it was written where it came from, as ISO 8601
     */
    origin?: string | undefined;
    /**
     * in the history of its source
     */
    position?: string | undefined;
    /**
     * named values, such as table
     */
    attrs?: Record<string, string> | undefined;
};
export type Request = {
    /**
     * as in Selection
     */
    channels?: string[] | undefined;
    /**
     * as in Selection
     */
    filter?: string | undefined;
    /**
     * as in Selection
     */
    presence?: boolean | undefined;
    /**
     * as in Selection
     */
    attributes?: boolean | undefined;
    /**
     * as in Selection
     */
    last?: number | undefined;
    /**
     * a table, whose rows come first
     */
    snapshot?: string | undefined;
};
/**
 * Where a subscription stands. A client sends back what the gateway has sent, and reads nothing in it.
 */
export type Position = {
    epoch: string;
    offset: number | string;
    /**
     * the number of messages behind the offset
     */
    seen: number;
};
export type Gap = {
    reason: string;
    /**
     * the source that has noticed it
     */
    source?: string | undefined;
    /**
     * the number of events that a full queue has dropped
     */
    dropped?: number | undefined;
    /**
     * whether the latest message of each key follows
     */
    conflated?: boolean | undefined;
};
/**
 * Who is on a channel.
 */
export type Presence = {
    channel: string;
    /**
     * the number of clients
     */
    clients: number;
    /**
     * all subjects, sorted; null if they are not known
     */
    subjects: string[] | null;
    /**
     * the subjects that have joined since the last call; empty if that is not known
     */
    joined: string[];
    /**
     * the subjects that have left since then; empty if that is not known
     */
    left: string[];
    /**
     * whether there are too many subjects to send
     */
    many: boolean;
    /**
     * whether clients of other gateways may be missing, or may have left
     */
    partial: boolean;
};
export type Handlers = {
    /**
     * the gateway has accepted the subscription, or a change of it; its events follow
     */
    onSubscribed?: (() => void) | undefined;
    /**
     * an event; a Blob if it is not UTF-8
     */
    onMessage?: ((payload: string | Blob, attributes: Attributes | null) => void) | undefined;
    /**
     * the event with which a row has left the subscription
     */
    onLeave?: ((message: any) => void) | undefined;
    /**
     * events may be missing here: load again what they would have changed
     */
    onGap?: ((gap: Gap) => void) | undefined;
    /**
     * after a disconnect: no event is missing
     */
    onResumed?: (() => void) | undefined;
    /**
     * the gateway has refused the subscription, a change of it, or a snapshot
     */
    onRefused?: ((reason: string) => void) | undefined;
    /**
     * with `presence`: who is on a channel, at first and at each change
     */
    onPresence?: ((presence: Presence) => void) | undefined;
    /**
     * with `snapshot`: the rows, as the payloads of onMessage; again in place of onGap
     */
    onSnapshot?: ((rows: string[]) => void) | undefined;
};
/**
 * What a subscription gets, with the position behind it.
 */
export type Delivery = {
    kind: "subscribed" | "message" | "leave" | "gap" | "position" | "refused" | "snapshot" | "presence";
    detail: any;
    position: Position | null;
    /**
     * the one that the gateway has accepted
     */
    selection: Selection;
    /**
     * of a message
     */
    attributes?: Attributes | null | undefined;
};
export type Stream = {
    change(selection: Selection): void;
    close(): void;
};
