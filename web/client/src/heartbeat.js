const PONG_TIMEOUT = 1500; // milliseconds
const PONG_CHECKS = 4; // within the timeout, since a busy page reads messages late

/**
 * Notices that the other side is silent: after `interval` milliseconds without a message it calls
 * `probe`, and `lost` where no message follows. Else a half-open connection would stay for ever.
 */
export class Heartbeat {
  #interval;
  #probe;
  #lost;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** When the last message came, by performance.now(). */
  lastMessageAt = 0;

  /**
   * @param {number} interval 0: none
   * @param {() => void} probe sends something that the other side answers
   * @param {() => void} lost
   */
  constructor(interval, probe, lost) {
    this.#interval = interval;
    this.#probe = probe;
    this.#lost = lost;
  }

  start() {
    this.received();
    this.#check(0);
  }

  stop() {
    clearTimeout(this.#timer);
  }

  /** Records that a message has come. */
  received() {
    this.lastMessageAt = performance.now();
  }

  /** Probes now, and not after the interval. */
  probe() {
    if (!this.#interval) return;
    this.#probe();
    this.#check(1);
  }

  /** @param {number} checks the number of checks since the probe; after the last one the other side is lost */
  #check(checks) {
    clearTimeout(this.#timer);
    if (!this.#interval) return;
    const { lastMessageAt } = this;
    this.#timer = setTimeout(() => {
      if (this.lastMessageAt !== lastMessageAt) this.#check(0);
      else if (checks === 0) this.probe();
      else if (checks < PONG_CHECKS) this.#check(checks + 1);
      else this.#lost();
    }, checks === 0 ? this.#interval : PONG_TIMEOUT / PONG_CHECKS);
  }
}
