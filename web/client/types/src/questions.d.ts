/** @typedef {import("./subscription.js").Presence} Presence */
/** @typedef {{ resolve: (presence: Presence) => void, reject: (reason: Error) => void }} Question */
/** The questions who is on a channel, until they are answered. */
export class Questions {
    /** The channels of the questions that wait. */
    get channels(): string[];
    /**
     * @param {string} channel
     * @returns {Promise<Presence>}
     */
    ask(channel: string): Promise<Presence>;
    /** @param {Presence} presence */
    answer(presence: Presence): void;
    /**
     * @param {string} channel
     * @param {string} reason
     */
    refuse(channel: string, reason: string): void;
    /** Refuses all questions, also later ones. */
    close(): void;
    #private;
}
export type Presence = import("./subscription.js").Presence;
export type Question = {
    resolve: (presence: Presence) => void;
    reject: (reason: Error) => void;
};
