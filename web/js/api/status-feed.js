import { lockedText } from "./access.js";

const INTERVAL = 750; // milliseconds between an answer and the next request
const TIMEOUT = 1750; // of a request: with the interval before, a frozen gateway is detected within three seconds
const CONNECTIONS = 6; // that a browser keeps open to one host
const STAGGER = 200; // milliseconds between the requests of one poll
const LOCKED_INTERVAL = 30_000; // without the secret: another tab may get it
const OFFLINE = "this computer is offline";

// StatusFeed polls the status of the gateway.
//
// Events: "status" (detail: the status), "locked" (detail: {why, needsSecret}), if the gateway refuses it.
export class StatusFeed extends EventTarget {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #abort = new AbortController();
  #askedAt = 0; // time of the first request without an answer; 0: all have one
  #error = ""; // of the last request
  #timedOut = false; // the last poll had no answer in time

  lastAnswerAt = performance.now(); // when the last answer came

  constructor() {
    super();
    addEventListener("offline", () => { this.#error = OFFLINE; });
    addEventListener("online", () => { if (this.#error === OFFLINE) this.poll(); });
  }

  // silence returns why the status is unknown, "" while the gateway answers.
  /** @param {number} now */
  silence(now) {
    if (this.#error) return this.#error;
    return this.#askedAt && now - this.#askedAt > TIMEOUT ? "the gateway does not answer" : "";
  }

  // poll sends a request now, and continues to poll.
  async poll() {
    clearTimeout(this.#timer);
    this.#abort.abort();
    const { signal } = this.#abort = new AbortController();
    this.#askedAt ||= performance.now();
    let interval = INTERVAL;
    try {
      const response = await this.#request(signal);
      if (response.status === 401 || response.status === 403) {
        interval = LOCKED_INTERVAL;
        this.#answered();
        const needsSecret = response.status === 401;
        this.#emit("locked", { needsSecret, why: needsSecret ? lockedText : await response.text() });
      } else if (!response.ok) {
        throw new Error(`the gateway answers ${response.status}`);
      } else {
        const status = await response.json();
        this.#answered();
        this.#emit("status", status);
      }
    } catch (err) {
      if (signal.aborted) return; // another poll has begun
      const { name, message } = /** @type {Error} */ (err);
      this.#timedOut = name === "TimeoutError";
      if (!this.#timedOut) this.#error = navigator.onLine ? message : OFFLINE;
    }
    if (!signal.aborted) this.#timer = setTimeout(() => this.poll(), interval);
  }

  // #request returns the first response of one request; after a poll without an answer, of several staggered ones. A proxy may
  // have dropped connections that the browser keeps open, without a word. Each request uses up one of them.
  /** @param {AbortSignal} signal */
  async #request(signal) {
    const requests = Array.from({ length: this.#timedOut ? CONNECTIONS : 1 }, () => new AbortController());
    try {
      return await Promise.any(requests.map(async (own, i) => {
        if (i > 0) await new Promise((resolve) => setTimeout(resolve, i * STAGGER));
        const response = await fetch("api/status", { signal: AbortSignal.any([signal, own.signal, AbortSignal.timeout(TIMEOUT)]) });
        requests.forEach((other) => { if (other !== own) other.abort(); });
        return response;
      }));
    } catch (err) {
      throw /** @type {AggregateError} */ (err).errors[0];
    }
  }

  #answered() {
    [this.lastAnswerAt, this.#askedAt, this.#error, this.#timedOut] = [performance.now(), 0, "", false];
  }

  /**
   * @param {string} name
   * @param {any} detail
   */
  #emit(name, detail) { this.dispatchEvent(new CustomEvent(name, { detail })); }
}
