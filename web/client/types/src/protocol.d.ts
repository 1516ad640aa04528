/**
 * Returns a frame as a control message, null for a payload. Payloads in UTF-8 come as text, so a
 * binary frame in UTF-8 is never one.
 *
 * @param {string | ArrayBuffer} data
 * @returns {Control | null}
 */
export function decodeControl(data: string | ArrayBuffer): Control | null;
/**
 * Returns the URL of a connection that begins with a subscription behind a position, or with none.
 *
 * @param {URL} base
 * @param {{ selection: Selection, position: Position | null } | null} first
 */
export function connectURL(base: URL, first: {
    selection: Selection;
    position: Position | null;
} | null): URL;
/**
 * @param {URL} url
 * @param {Selection} selection
 */
export function addSelection(url: URL, { channels, filter, presence, attributes, last }: Selection): void;
/** @typedef {import("./subscription.js").Selection} Selection */
/** @typedef {import("./subscription.js").Position} Position */
/** @typedef {{ type?: string, id?: string, reason?: string, [member: string]: any }} Control */
export const PROTOCOL: "eventgateway.v2";
export function subprotocols(token: string): string[];
export function subscribeMessage(id: string, selection: Selection, position: Position | null): {
    epoch?: string | undefined;
    offset?: string | number | undefined;
    /**
     * the number of messages behind the offset
     */
    seen?: number | undefined;
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
    id: string;
    type: string;
} | {
    epoch?: string | undefined;
    offset?: string | number | undefined;
    /**
     * the number of messages behind the offset
     */
    seen?: number | undefined;
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
    id?: undefined;
    type: string;
};
export function unsubscribeMessage(id: string): {
    id: string;
    type: string;
} | {
    id?: undefined;
    type: string;
};
export function presenceMessage(channel: string): {
    type: string;
    channel: string;
};
export type Selection = import("./subscription.js").Selection;
export type Position = import("./subscription.js").Position;
export type Control = {
    type?: string;
    id?: string;
    reason?: string;
    [member: string]: any;
};
