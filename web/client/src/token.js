/**
 * The token of a client. It is stale until the gateway has accepted it, because a page cannot see why
 * a connection is refused.
 */
export class Token {
  #getToken;
  #request = {}; // the last call of getToken
  value;
  stale;

  /**
   * @param {string} token
   * @param {(() => string | Promise<string>) | null} getToken
   */
  constructor(token, getToken) {
    this.value = token;
    this.#getToken = getToken;
    this.stale = !token;
  }

  get renewable() {
    return this.#getToken !== null;
  }

  /** Returns a token of getToken, and does not keep it. */
  async request() {
    return /** @type {() => string | Promise<string>} */ (this.#getToken)();
  }

  /**
   * Requests a token, and calls `then` with it, or `failed`. A later call replaces this one.
   *
   * @param {() => void} then
   * @param {(reason: string) => void} failed
   */
  async renew(then, failed) {
    const request = (this.#request = {});
    try {
      const value = await this.request();
      if (this.#request !== request) return;
      [this.value, this.stale] = [value, false];
    } catch (err) {
      if (this.#request === request) failed(`no token: ${err instanceof Error ? err.message : err}`);
      return;
    }
    then();
  }

  /** Ignores the answer to a request under way. */
  cancel() {
    this.#request = {};
  }
}
