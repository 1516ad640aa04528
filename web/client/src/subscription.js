/**
 * @typedef {object} Selection
 * @property {string[]} [channels] names of channels; with none, the events of all
 * @property {string} [filter] an expression that is true for the events
 * @property {boolean} [presence] whether onPresence is called with who is on the channels
 * @property {boolean} [attributes] whether onMessage is called with what an event has beside its payload, where the gateway allows it
 * @property {number} [last] begin with those of this many latest events of the history that are in the subscription
 */

/**
 * What an event has beside its payload. What it has not is missing.
 *
 * @typedef {object} Attributes
 * @property {string} [channel]
 * @property {string} [key]
 * @property {string} [id]
 * @property {string} [source]
 * @property {string} [time] when the gateway has received it, as ISO 8601
 * @property {string} [origin] when it was written where it came from, as ISO 8601
 * @property {string} [position] in the history of its source
 * @property {Record<string, string>} [attrs] named values, such as table
 */

/**
 * @typedef {object} Request
 * @property {string[]} [channels] as in Selection
 * @property {string} [filter] as in Selection
 * @property {boolean} [presence] as in Selection
 * @property {boolean} [attributes] as in Selection
 * @property {number} [last] as in Selection
 * @property {string} [snapshot] a table, whose rows come first
 */

/**
 * Where a subscription stands. A client sends back what the gateway has sent, and reads nothing in it.
 *
 * @typedef {object} Position
 * @property {string} epoch
 * @property {number | string} offset
 * @property {number} seen the number of messages behind the offset
 */

/**
 * @typedef {object} Gap
 * @property {string} reason
 * @property {string} [source] the source that has noticed it
 * @property {number} [dropped] the number of events that a full queue has dropped
 * @property {boolean} [conflated] whether the latest message of each key follows
 */

/**
 * Who is on a channel.
 *
 * @typedef {object} Presence
 * @property {string} channel
 * @property {number} clients the number of clients
 * @property {string[] | null} subjects all subjects, sorted; null if they are not known
 * @property {string[]} joined the subjects that have joined since the last call; empty if that is not known
 * @property {string[]} left the subjects that have left since then; empty if that is not known
 * @property {boolean} many whether there are too many subjects to send
 * @property {boolean} partial whether clients of other gateways may be missing, or may have left
 */

/**
 * @typedef {object} Handlers
 * @property {() => void} [onSubscribed] the gateway has accepted the subscription, or a change of it; its events follow
 * @property {(payload: string | Blob, attributes: Attributes | null) => void} [onMessage] an event; a Blob if it is not UTF-8
 * @property {(message: any) => void} [onLeave] the event with which a row has left the subscription
 * @property {(gap: Gap) => void} [onGap] events may be missing here: load again what they would have changed
 * @property {() => void} [onResumed] after a disconnect: no event is missing
 * @property {(reason: string) => void} [onRefused] the gateway has refused the subscription, a change of it, or a snapshot
 * @property {(presence: Presence) => void} [onPresence] with `presence`: who is on a channel, at first and at each change
 * @property {(rows: string[]) => void} [onSnapshot] with `snapshot`: the rows, as the payloads of onMessage; again in place of onGap
 */

/**
 * What a subscription gets, with the position behind it.
 *
 * @typedef {object} Delivery
 * @property {"subscribed" | "message" | "leave" | "gap" | "position" | "refused" | "snapshot" | "presence"} kind
 * @property {any} detail
 * @property {Position | null} position
 * @property {Selection} selection the one that the gateway has accepted
 * @property {Attributes | null} [attributes] of a message
 */

/** @typedef {{ change(selection: Selection): void, close(): void }} Stream */

const NOT_RECOVERED = { reason: "events sent meanwhile are missing" };

/** A subscription of a client. */
export class Subscription {
  #handlers;
  #stream;
  #closed = false;

  /** @type {Position | null} behind the last message that the handlers got */
  position = null;

  /**
   * @param {Handlers} handlers
   * @param {(deliver: (delivery: Delivery) => void) => Stream} open
   */
  constructor(handlers, open) {
    this.#handlers = handlers;
    this.#stream = open((delivery) => this.#receive(delivery));
  }

  /**
   * Replaces the selection without a gap. If the gateway refuses it, the former one stays.
   *
   * @param {Selection} selection
   */
  change(selection) {
    if (!this.#closed) this.#stream.change(selection);
  }

  /** Ends the subscription. No handler is called after it. */
  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.#stream.close();
  }

  /** @param {Delivery} delivery */
  #receive({ kind, detail, position, attributes = null }) {
    if (this.#closed) return;
    this.position = position;
    const handlers = this.#handlers;
    try {
      switch (kind) {
        case "message": return handlers.onMessage?.(detail, attributes);
        case "leave": return handlers.onLeave?.(detail);
        case "gap": return handlers.onGap?.(detail);
        case "presence": return handlers.onPresence?.(detail);
        case "snapshot": return handlers.onSnapshot?.(detail);
        case "refused": return handlers.onRefused?.(detail);
        case "subscribed":
          handlers.onSubscribed?.();
          if (detail === true) handlers.onResumed?.();
          if (detail === false) handlers.onGap?.(NOT_RECOVERED);
      }
    } catch (err) {
      queueMicrotask(() => { throw err; }); // reported, without an effect on other subscriptions
    }
  }
}
