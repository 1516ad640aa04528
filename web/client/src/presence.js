/** @typedef {import("./subscription.js").Presence} Presence */
/** @typedef {import("./protocol.js").Control} Control */

/** Keeps who is on the channels that a subscription watches. */
export class Presences {
  /** @type {Map<string, Presence>} */
  #channels = new Map();

  /** The last state of each channel. */
  get states() {
    return [...this.#channels.values()];
  }

  /**
   * Forgets the channels that are not watched.
   *
   * @param {(channel: string) => boolean} watches
   */
  keep(watches) {
    for (const channel of this.#channels.keys()) if (!watches(channel)) this.#channels.delete(channel);
  }

  /**
   * Returns the state of a channel after a message.
   *
   * @param {Control} message
   */
  update(message) {
    const known = this.#channels.get(message.channel)?.subjects;
    const state = stateOf(message, known ?? null);
    this.#channels.set(state.channel, { ...state, joined: [], left: [] });
    return state;
  }
}

/**
 * Returns the state of a channel by a message, and by the subjects that were there before, where they are known.
 *
 * @param {Control} message
 * @param {string[] | null} before
 * @returns {Presence}
 */
export function stateOf({ channel, clients, subjects, joined, left, many = false, partial = false }, before) {
  const now = many ? null : subjects ?? (before && change(before, joined, left));
  return {
    channel, clients, subjects: now, many, partial,
    joined: before && now ? without(now, before) : [],
    left: before && now ? without(before, now) : [],
  };
}

/**
 * @param {string[]} before
 * @param {string[]} [joined]
 * @param {string[]} [left]
 */
const change = (before, joined = [], left = []) => [...new Set([...without(before, left), ...joined])].sort();

/**
 * @param {string[]} list
 * @param {string[]} others
 */
function without(list, others) {
  const excluded = new Set(others);
  return list.filter((subject) => !excluded.has(subject));
}
