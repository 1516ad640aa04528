const FIRST = 500; // milliseconds, upper bound of the first pause
const LONGEST = 30_000;

/** Computes growing random pauses (full jitter), so that clients do not return all at once. */
export class Backoff {
  #attempt = 0;

  /** Returns the next pause, in milliseconds. */
  next() {
    return Math.random() * Math.min(LONGEST, FIRST * 2 ** this.#attempt++);
  }

  reset() {
    this.#attempt = 0;
  }
}
