import { lockedText } from "./access.js";

const INTERVAL = 750; // milliseconds between an answer and the next request
const TIMEOUT = 1750; // of a request: with the interval before, a frozen gateway is detected within three seconds
const LOCKED_INTERVAL = 30_000; // without the secret: another tab may get it

// StatusFeed polls the status of the gateway.
//
// Events: "status" (detail: the status), "locked" (detail: why there is none).
export class StatusFeed extends EventTarget {
  #timer = 0;
  #abort = new AbortController();
  #askedAt = 0; // time of the first request without an answer; 0: all have one
  #error = ""; // of the last request

  lastAnswerAt = performance.now(); // when the last answer came

  // silence returns why the status is unknown, "" while the gateway answers.
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
      const response = await fetch("api/status", { signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT)]) });
      if (response.status === 401 || response.status === 403) {
        interval = LOCKED_INTERVAL;
        this.#answered();
        this.#emit("locked", response.status === 401 ? lockedText : await response.text());
      } else if (!response.ok) {
        throw new Error(`the gateway answers ${response.status}`);
      } else {
        const status = await response.json();
        this.#answered();
        this.#emit("status", status);
      }
    } catch (err) {
      if (signal.aborted) return; // another poll has begun
      if (err.name !== "TimeoutError") this.#error = err.message;
    }
    if (!signal.aborted) this.#timer = setTimeout(() => this.poll(), interval);
  }

  #answered() {
    [this.lastAnswerAt, this.#askedAt, this.#error] = [performance.now(), 0, ""];
  }

  #emit(name, detail) { this.dispatchEvent(new CustomEvent(name, { detail })); }
}
