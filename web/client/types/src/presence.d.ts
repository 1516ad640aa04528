/**
 * Returns the state of a channel by a message, and by the subjects that were there before, where they are known.
 *
 * @param {Control} message
 * @param {string[] | null} before
 * @returns {Presence}
 */
export function stateOf({ channel, clients, subjects, joined, left, many, partial }: Control, before: string[] | null): Presence;
/** @typedef {import("./subscription.js").Presence} Presence */
/** @typedef {import("./protocol.js").Control} Control */
/** Keeps who is on the channels that a subscription watches. */
export class Presences {
    /** The last state of each channel. */
    get states(): import("./subscription.js").Presence[];
    /**
     * Forgets the channels that are not watched.
     *
     * @param {(channel: string) => boolean} watches
     */
    keep(watches: (channel: string) => boolean): void;
    /**
     * Returns the state of a channel after a message.
     *
     * @param {Control} message
     */
    update(message: Control): import("./subscription.js").Presence;
    #private;
}
export type Presence = import("./subscription.js").Presence;
export type Control = import("./protocol.js").Control;
