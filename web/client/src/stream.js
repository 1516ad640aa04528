import { Presences } from "./presence.js";
import { subscribeMessage, unsubscribeMessage } from "./protocol.js";

/** @typedef {import("./protocol.js").Control} Control */
/** @typedef {import("./subscription.js").Selection} Selection */
/** @typedef {import("./subscription.js").Position} Position */
/** @typedef {import("./subscription.js").Attributes} Attributes */
/** @typedef {import("./subscription.js").Delivery} Delivery */

/**
 * One subscription as the gateway has it: it knows the position, and requests the subscription again on
 * each connection.
 *
 * It resumes with the last selection that the gateway has accepted, and sends a newer one after that. So
 * a wrong one is refused with a reason, and the former one stays.
 */
export class Stream {
  #callbacks;
  #selection; // the last accepted one, or the first
  /** @type {Selection | null} */
  #requested = null; // has no answer yet
  /** @type {Selection | null} */
  #next = null; // is requested after that
  /** @type {Position | null} */
  #position;
  #presences = new Presences();
  /** @type {(Attributes | null)[]} of the next payloads */
  #attributes = [];

  /** The gateway has accepted a selection, on this connection or before. */
  accepted = false;
  /** The gateway has sent the position, on this connection. */
  subscribed = false;
  /** @type {string | null} its id on this connection */
  id = null;

  /**
   * @param {Selection} selection
   * @param {Position | null} position
   * @param {{ send(message: object): void, deliver(delivery: Delivery): void, closed(stream: Stream): void }} callbacks
   */
  constructor(selection, position, callbacks) {
    this.#selection = selection;
    this.#position = position;
    this.#callbacks = callbacks;
  }

  get selection() {
    return this.#selection;
  }

  get position() {
    return this.#position;
  }

  /** Who is on the channels that it watches, where that is known. */
  get presences() {
    return this.#presences.states;
  }

  /**
   * Begins on a connection whose query has the subscription.
   *
   * @param {string} id
   */
  connecting(id) {
    this.id = id;
    this.#requested = this.#selection;
  }

  /**
   * Requests the subscription on a connection that is open.
   *
   * @param {string} id
   */
  request(id) {
    this.id = id;
    this.#subscribe(this.#selection);
  }

  /** Ends on this connection, which is gone. */
  disconnected() {
    if (this.#requested && this.#requested !== this.#selection) this.#next ??= this.#requested;
    [this.id, this.#requested, this.subscribed, this.#attributes] = [null, null, false, []];
  }

  /**
   * Replaces the selection, without a gap.
   *
   * @param {Selection} selection
   */
  change(selection) {
    if (this.id === null && !this.accepted) this.#selection = selection;
    else this.#next = selection;
    if (this.id !== null && !this.#requested) this.#sendNext();
  }

  /** Ends it, and tells the gateway. */
  close() {
    if (this.id !== null) this.#callbacks.send(unsubscribeMessage(this.id));
    this.#callbacks.closed(this);
  }

  /** @param {string | Blob} payload */
  payload(payload) {
    this.#count();
    this.#callbacks.deliver({ kind: "message", detail: payload, position: this.#position, selection: this.#selection, attributes: this.#attributes.shift() ?? null });
  }

  /**
   * Handles a control message of this subscription.
   *
   * @param {Control} message
   */
  control(message) {
    switch (message.type) {
      case "subscribed":
        if (this.#requested) this.#selection = this.#requested;
        [this.#requested, this.accepted, this.subscribed] = [null, true, true];
        this.#presences.keep((channel) => this.#watches(channel));
        this.#position = { epoch: message.epoch, offset: message.offset, seen: message.seen };
        this.#tell("subscribed", message.recovered);
        this.#sendNext();
        return;
      case "attributes":
        this.#attributes = message.messages;
        return;
      case "position":
        if (this.#position) this.#position = { ...this.#position, offset: message.offset, seen: 0 };
        this.#tell("position", null);
        return;
      case "leave":
        this.#count();
        this.#tell("leave", message.message);
        return;
      case "gap":
        this.#tell("gap", message);
        return;
      case "error":
        this.#requested = null;
        this.#tell("refused", message.reason);
        this.#sendNext();
    }
  }

  /**
   * Handles a message of presence. It returns who is on the channel, null if it does not watch it.
   *
   * @param {Control} message
   */
  presence(message) {
    if (!this.#watches(message.channel)) return null;
    const presence = this.#presences.update(message);
    this.#tell("presence", presence);
    return presence;
  }

  /** @param {string} channel */
  #watches(channel) {
    return Boolean(this.#selection.presence && this.#selection.channels?.includes(channel));
  }

  #count() {
    if (this.#position) this.#position = { ...this.#position, seen: this.#position.seen + 1 };
  }

  #sendNext() {
    const next = this.#next;
    this.#next = null;
    if (next) this.#subscribe(next);
  }

  /** @param {Selection} selection */
  #subscribe(selection) {
    this.#requested = selection;
    this.#callbacks.send(subscribeMessage(/** @type {string} */ (this.id), selection, this.#position));
  }

  /**
   * @param {Delivery["kind"]} kind
   * @param {any} detail
   */
  #tell(kind, detail) {
    this.#callbacks.deliver({ kind, detail, position: this.#position, selection: this.#selection });
  }
}
