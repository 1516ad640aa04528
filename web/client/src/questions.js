/** @typedef {import("./subscription.js").Presence} Presence */
/** @typedef {{ resolve: (presence: Presence) => void, reject: (reason: Error) => void }} Question */

/** The questions who is on a channel, until they are answered. */
export class Questions {
  /** @type {Map<string, Question[]>} */
  #waiting = new Map();
  #closed = false;

  /** The channels of the questions that wait. */
  get channels() {
    return [...this.#waiting.keys()];
  }

  /**
   * @param {string} channel
   * @returns {Promise<Presence>}
   */
  ask(channel) {
    return new Promise((resolve, reject) => {
      if (this.#closed) reject(new Error("the client is closed"));
      else this.#waiting.set(channel, [...(this.#waiting.get(channel) ?? []), { resolve, reject }]);
    });
  }

  /** @param {Presence} presence */
  answer(presence) {
    for (const { resolve } of this.#take(presence.channel)) resolve(presence);
  }

  /**
   * @param {string} channel
   * @param {string} reason
   */
  refuse(channel, reason) {
    for (const { reject } of this.#take(channel)) reject(new Error(reason));
  }

  /** Refuses all questions, also later ones. */
  close() {
    this.#closed = true;
    for (const channel of this.channels) this.refuse(channel, "the client is closed");
  }

  /** @param {string} channel */
  #take(channel) {
    const questions = this.#waiting.get(channel) ?? [];
    this.#waiting.delete(channel);
    return questions;
  }
}
