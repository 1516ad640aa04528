import { Hub } from "./hub.js";
import { Session } from "./session.js";

/** Holds the connection of a group of tabs. Each leadership has a term of its own, by which the tabs know its messages. */
export class Leader {
  #group;
  #session;
  #hub;
  #watched = new Set();
  #end = new AbortController();
  #welcome = null;
  #receive;

  term = crypto.randomUUID();

  /** @type {Promise<void>} */
  ended;

  /**
   * @param {import("./group.js").Group} group
   * @param {import("./connection.js").Settings} settings
   * @param {import("./token.js").Token} token
   * @param {(message: any) => void} receive gets what the leader sends to all tabs, for this tab
   */
  constructor(group, settings, token, receive) {
    this.#group = group;
    this.#receive = receive;
    this.#session = new Session(settings, token, (name, detail) => {
      if (name === "welcome") this.#welcome = detail;
      this.#send({ type: "event", name, detail, url: this.#session.url.href });
    });
    this.#hub = new Hub(this.#session, (to, delivery) => this.#send({ type: "delivery", to, delivery }));
    this.ended = new Promise((ended) => this.#end.signal.addEventListener("abort", () => ended()));
  }

  get lastMessageAt() {
    return this.#session.lastMessageAt;
  }

  start() {
    this.#session.connection.start();
    this.hello();
  }

  /** Tells the tabs that this one leads. */
  hello() {
    this.#group.post({ type: "hello", term: this.term, state: this.#session.state, url: this.#session.url.href, welcome: this.#welcome });
  }

  close() {
    this.#end.abort();
    this.#session.close();
  }

  /**
   * Answers a request of a tab.
   *
   * @param {any} request
   */
  serve(request) {
    switch (request.type) {
      case "probe": return this.#group.post({ type: "alive", term: this.term });
      case "change": return this.#hub.change(request.key, request.selection);
      case "leave": return this.#hub.leave(request.key);
      case "connect": return this.#session.connect();
      case "ping": this.#session.ping(); return;
      case "ask": return this.#askPresence(request.channel);
      case "join":
        this.#watch(request.tab);
        this.#hub.join(request.key, request.selection, request.position);
    }
  }

  /** @param {string} channel */
  #askPresence(channel) {
    this.#session.askPresence(channel).then(
      (presence) => this.#send({ type: "answer", presence }),
      (err) => this.#send({ type: "refusal", channel, reason: err.message }),
    );
  }

  // #watch removes the subscriptions of a tab when it is gone.
  /** @param {string} tab */
  #watch(tab) {
    if (this.#watched.has(tab)) return;
    this.#watched.add(tab);
    this.#group.watch(tab, this.#end.signal, () => {
      this.#watched.delete(tab);
      this.#hub.leaveAll(tab);
    });
  }

  /** @param {object} message */
  #send(message) {
    if (this.#end.signal.aborted) return;
    const sent = { ...message, term: this.term };
    this.#group.post(sent);
    this.#receive(sent);
  }
}
