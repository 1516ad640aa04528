/**
 * The token of a client. It is stale until the gateway has accepted it, because a page cannot see why
 * a connection is refused.
 */
export class Token {
    /**
     * @param {string} token
     * @param {(() => string | Promise<string>) | null} getToken
     */
    constructor(token: string, getToken: (() => string | Promise<string>) | null);
    value: string;
    stale: boolean;
    get renewable(): boolean;
    /** Returns a token of getToken, and does not keep it. */
    request(): Promise<string>;
    /**
     * Requests a token, and calls `then` with it, or `failed`. A later call replaces this one.
     *
     * @param {() => void} then
     * @param {(reason: string) => void} failed
     */
    renew(then: () => void, failed: (reason: string) => void): Promise<void>;
    /** Ignores the answer to a request under way. */
    cancel(): void;
    #private;
}
