/** Holds the connection of a group of tabs. Each leadership has a term of its own, by which the tabs know its messages. */
export class Leader {
    /**
     * @param {import("./group.js").Group} group
     * @param {import("./connection.js").Settings} settings
     * @param {import("./token.js").Token} token
     * @param {(message: any) => void} receive gets what the leader sends to all tabs, for this tab
     */
    constructor(group: import("./group.js").Group, settings: import("./connection.js").Settings, token: import("./token.js").Token, receive: (message: any) => void);
    term: `${string}-${string}-${string}-${string}-${string}`;
    /** @type {Promise<void>} */
    ended: Promise<void>;
    get lastMessageAt(): number;
    start(): void;
    /** Tells the tabs that this one leads. */
    hello(): void;
    close(): void;
    /**
     * Answers a request of a tab.
     *
     * @param {any} request
     */
    serve(request: any): void;
    #private;
}
