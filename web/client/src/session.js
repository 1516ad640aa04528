import { Connection } from "./connection.js";
import { stateOf } from "./presence.js";
import { connectURL, presenceMessage } from "./protocol.js";
import { Questions } from "./questions.js";
import { Stream } from "./stream.js";

/** @typedef {import("./connection.js").Settings} Settings */
/** @typedef {import("./protocol.js").Control} Control */
/** @typedef {import("./subscription.js").Selection} Selection */
/** @typedef {import("./subscription.js").Position} Position */
/** @typedef {import("./subscription.js").Delivery} Delivery */

const RETRY = 5000; // milliseconds, after which a subscription that the gateway has ended is requested again

/** Holds the subscriptions of one connection. */
export class Session {
  /** @type {Set<Stream>} */
  #streams = new Set();
  /** @type {Map<string, Stream>} */
  #byID = new Map();
  /** @type {Stream | undefined} whose payloads follow */
  #current;
  /** @type {Stream | null} the subscription of the query, whose id is "" */
  #first = null;
  #isOpen = false;
  #queryFailed = false; // so the next connection asks by message, whose answer has a reason
  #ids = 0;
  #questions = new Questions();
  #welcomed = false;
  #emit;

  /**
   * @param {Settings} settings
   * @param {import("./token.js").Token} token
   * @param {import("./connection.js").Emit} emit
   */
  constructor(settings, token, emit) {
    this.#emit = emit;
    /** @readonly */
    this.connection = new Connection(settings, token, {
      emit,
      address: (url) => this.#address(url),
      opened: () => this.#opened(),
      closed: () => this.#closed(),
      payload: (payload) => this.#current?.payload(payload),
      control: (message) => this.#control(message),
    });
  }

  /**
   * Adds a subscription behind a position, and connects.
   *
   * @param {Selection} selection
   * @param {Position | null} position
   * @param {(delivery: Delivery) => void} deliver
   */
  open(selection, position, deliver) {
    const stream = new Stream(selection, position, {
      deliver,
      send: (message) => this.connection.send(message),
      closed: (closed) => this.#remove(closed),
    });
    this.#streams.add(stream);
    if (this.#isOpen) this.#request(stream);
    else queueMicrotask(() => this.connection.start()); // with all subscriptions that are added now
    return stream;
  }

  /**
   * Asks who is on a channel. A question without an answer is asked again on the next connection.
   *
   * @param {string} channel
   */
  askPresence(channel) {
    const answer = this.#questions.ask(channel);
    if (this.#isOpen) this.connection.send(presenceMessage(channel));
    else queueMicrotask(() => this.connection.start());
    return answer;
  }

  get state() {
    return this.connection.state;
  }

  get url() {
    return this.connection.url;
  }

  get lastMessageAt() {
    return this.connection.lastMessageAt;
  }

  connect() {
    this.connection.connect();
  }

  ping() {
    return this.connection.ping();
  }

  close() {
    this.#questions.close();
    this.connection.close();
  }

  /** @param {Stream} stream */
  #remove(stream) {
    this.#streams.delete(stream);
    if (stream.id !== null) this.#byID.delete(stream.id);
    if (this.#current === stream) this.#current = undefined;
  }

  // #address puts the only subscription into the query: it takes one round trip less.
  /** @param {URL} url */
  #address(url) {
    const [only] = this.#streams;
    this.#first = this.#streams.size === 1 && (only.accepted || !this.#queryFailed) ? only : null;
    return connectURL(url, this.#first);
  }

  #opened() {
    this.#isOpen = true;
    this.#welcomed = this.#queryFailed = false;
    this.#ids = 0;
    if (this.#first && this.#streams.has(this.#first)) {
      this.#first.connecting("");
      this.#byID.set("", this.#first);
      this.#current = this.#first;
    } else if (this.#first) {
      this.connection.send({ type: "unsubscribe" });
    }
    for (const stream of this.#streams) if (stream.id === null) this.#request(stream);
    for (const channel of this.#questions.channels) this.connection.send(presenceMessage(channel));
  }

  #closed() {
    this.#queryFailed = this.#first !== null && !this.#isOpen;
    this.#isOpen = false;
    this.#byID.clear();
    this.#current = undefined;
    for (const stream of this.#streams) stream.disconnected();
  }

  /** @param {Stream} stream */
  #request(stream) {
    const id = String(++this.#ids);
    this.#byID.set(id, stream);
    stream.request(id);
  }

  // #ended handles the end of a subscription that the gateway has given up, after the error that says why. It
  // is requested again after a while, behind its last message.
  /** @param {string} id */
  #ended(id) {
    const stream = this.#byID.get(id);
    if (!stream) return; // this client has ended it
    this.#byID.delete(id);
    stream.disconnected();
    setTimeout(() => {
      if (this.#isOpen && this.#streams.has(stream) && stream.id === null) this.#request(stream);
    }, RETRY * (1 + Math.random()));
  }

  /** @param {Control} message */
  #presence(message) {
    const states = [...this.#streams].map((stream) => stream.presence(message));
    this.#questions.answer(states.find((state) => state !== null) ?? stateOf(message, null));
  }

  /** @param {Control} message */
  #control(message) {
    const first = !this.#welcomed;
    this.#welcomed = true;
    switch (message.type) {
      case "messages":
        this.#current = this.#byID.get(message.id ?? "");
        return;
      case "attributes":
      case "leave":
      case "position":
        this.#current?.control(message);
        return;
      case "unsubscribed":
        this.#ended(message.id ?? "");
        return;
      case "presence":
        this.#presence(message);
        return;
      case "subscribed":
      case "error":
        if (message.type === "error" && "channel" in message) {
          this.#questions.refuse(message.channel, message.reason ?? "");
          return;
        }
        this.#byID.get(message.id ?? "")?.control(message);
        return;
      case "gap": // that of a source concerns all
        if ("conflated" in message || message.id) this.#byID.get(message.id ?? "")?.control(message);
        else for (const stream of this.#streams) stream.control(message);
        return;
    }
    if (first) this.#emit("welcome", message); // only the first message can be a welcome
  }
}
