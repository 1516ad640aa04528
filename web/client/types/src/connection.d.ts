/** @typedef {{ urls: URL[], heartbeat: number, WebSocket: import("./client.js").WebSocketConstructor }} Settings */
/** @typedef {"connecting" | "connected" | "silent" | "disconnected"} State silent: no message, and no answer to a ping */
/** @typedef {(name: "state" | "welcome" | "refused" | "pong", detail: any) => void} Emit an event of the client */
/**
 * @typedef {object} Callbacks
 * @property {(url: URL) => URL} address returns the URL of the next attempt
 * @property {() => void} opened
 * @property {() => void} closed the connection is gone, or was not opened
 * @property {(message: import("./protocol.js").Control) => void} control
 * @property {(payload: string | Blob) => void} payload
 * @property {Emit} emit
 */
/**
 * A WebSocket connection that is opened again without end: with backoff, at once when the browser is
 * online again, at the next URL after a failure, and where the gateway is silent.
 */
export class Connection {
    /**
     * @param {Settings} settings
     * @param {import("./token.js").Token} token
     * @param {Callbacks} callbacks
     */
    constructor({ urls, heartbeat, WebSocket }: Settings, token: import("./token.js").Token, callbacks: Callbacks);
    /** @type {State} */
    state: State;
    /** The URL of this or the next attempt. */
    get url(): URL;
    get lastMessageAt(): number;
    /** Opens the connection, if that has not begun. */
    start(): void;
    /** Replaces the connection by a new one. It does nothing after close. */
    connect(): void;
    /** Closes the connection for good, and removes the listeners on the page. */
    close(): void;
    /** @param {object} message is sent while the connection is open, and ignored else */
    send(message: object): void;
    /** Measures the round trip, and calls back with it. It returns false without a connection. */
    ping(): boolean;
    #private;
}
export type Settings = {
    urls: URL[];
    heartbeat: number;
    WebSocket: import("./client.js").WebSocketConstructor;
};
/**
 * silent: no message, and no answer to a ping
 */
export type State = "connecting" | "connected" | "silent" | "disconnected";
/**
 * an event of the client
 */
export type Emit = (name: "state" | "welcome" | "refused" | "pong", detail: any) => void;
export type Callbacks = {
    /**
     * returns the URL of the next attempt
     */
    address: (url: URL) => URL;
    opened: () => void;
    /**
     * the connection is gone, or was not opened
     */
    closed: () => void;
    control: (message: import("./protocol.js").Control) => void;
    payload: (payload: string | Blob) => void;
    emit: Emit;
};
