import { Backoff } from "./backoff.js";
import { Group } from "./group.js";
import { groupName } from "./group-name.js";
import { Heartbeat } from "./heartbeat.js";
import { Leader } from "./leader.js";
import { watchFreeze, watchPage } from "./page.js";
import { Questions } from "./questions.js";
import { Token } from "./token.js";

/** @typedef {import("./subscription.js").Selection} Selection */
/** @typedef {import("./subscription.js").Position} Position */
/** @typedef {import("./subscription.js").Delivery} Delivery */
/** @typedef {import("./connection.js").State} State */
/** @typedef {{ key: string, selection: Selection, next: Selection | null, position: Position | null, deliver: (delivery: Delivery) => void }} Member */

/** Reports whether tabs can share a connection here: in a secure context with Web Locks. */
export const canShare = () => Boolean(globalThis.navigator?.locks && globalThis.BroadcastChannel && globalThis.crypto?.subtle);

/**
 * The subscriptions of a tab, on the connection of the tab that leads.
 *
 * Each tab knows the position of its own subscriptions: that of the last message it got. It joins
 * a new leader with it, and ignores what the former one still sends. So it misses nothing, and gets
 * nothing twice.
 */
export class Sharing {
  #settings;
  #token;
  #emit;
  #tab = crypto.randomUUID();
  #ids = 0;
  /** @type {Map<string, Member>} */
  #members = new Map();
  #questions = new Questions();
  /** @type {Group | null} */
  #group = null;
  /** @type {Leader | null} this tab, while it leads */
  #leader = null;
  #term = ""; // of the leader that this tab has joined
  /** @type {Set<string>} */
  #formerTerms = new Set();
  #heartbeat;
  #backoff = new Backoff();
  #abort = new AbortController();
  #started = false;
  #pinged = false;

  /** @type {State} */
  state = "disconnected";
  url;

  /**
   * @param {import("./connection.js").Settings} settings
   * @param {Token} token
   * @param {import("./connection.js").Emit} emit
   */
  constructor(settings, token, emit) {
    this.#settings = settings;
    this.url = settings.urls[0];
    this.#token = token;
    this.#emit = emit;
    this.#heartbeat = new Heartbeat(settings.heartbeat, () => this.#ask({ type: "probe" }), () => this.#group?.campaign({ steal: true }));
    const returned = () => { if (this.#term && !this.#leader) this.#heartbeat.probe(); };
    watchPage({ online() {}, offline() {}, returned }, this.#abort.signal);
    const campaign = () => { if (this.#group) this.#campaign(this.#group); };
    watchFreeze({ froze: () => this.#resign(), resumed: campaign }, this.#abort.signal);
  }

  get lastMessageAt() {
    return this.#leader?.lastMessageAt ?? this.#heartbeat.lastMessageAt;
  }

  /**
   * @param {Selection} selection
   * @param {Position | null} position
   * @param {(delivery: Delivery) => void} deliver
   */
  open(selection, position, deliver) {
    const key = `${this.#tab}/${++this.#ids}`;
    /** @type {Member} */
    const member = { key, selection, position, deliver, next: null };
    this.#members.set(key, member);
    if (this.#term) this.#join(member);
    else queueMicrotask(() => this.#start());
    return {
      change: (/** @type {Selection} */ changed) => {
        member.next = changed;
        this.#ask({ type: "change", key, selection: changed });
      },
      close: () => {
        this.#members.delete(key);
        this.#ask({ type: "leave", key });
      },
    };
  }

  /** @param {string} channel */
  askPresence(channel) {
    const answer = this.#questions.ask(channel);
    queueMicrotask(() => this.#start());
    this.#ask({ type: "ask", channel });
    return answer;
  }

  connect() {
    this.#start();
    this.#ask({ type: "connect" });
  }

  ping() {
    if (this.state !== "connected") return false;
    this.#pinged = true;
    this.#ask({ type: "ping" });
    return true;
  }

  close() {
    this.#abort.abort();
    this.#token.cancel();
    this.#questions.close();
    this.#leave();
    this.#setState("disconnected", "Closed");
  }

  #start() {
    if (this.#started || this.#abort.signal.aborted) return;
    this.#started = true;
    this.#setState("connecting", "Connecting…");
    if (this.#token.renewable && this.#token.stale) this.#renewToken();
    else this.#enter();
  }

  #renewToken() {
    this.#token.renew(() => this.#enter(), (reason) => {
      this.#emit("refused", reason);
      const timer = setTimeout(() => this.#renewToken(), this.#backoff.next());
      this.#abort.signal.addEventListener("abort", () => clearTimeout(timer));
    });
  }

  // #enter enters the group of the rights of the token.
  async #enter() {
    const name = await this.#groupOf(this.#token.value);
    if (this.#abort.signal.aborted) return;
    /** @type {Group} */
    const group = new Group(name, this.#tab, {
      receive: (message) => this.#receive(message),
      lead: () => this.#lead(group),
      lost: () => {
        this.#resign();
        this.#campaign(group);
      },
    });
    this.#group = group;
    await group.enter();
    this.#campaign(group);
  }

  // #campaign waits for the lock, and asks who leads until then.
  /** @param {Group} group */
  #campaign(group) {
    group.campaign();
    group.post({ type: "who" });
  }

  #leave() {
    this.#group?.leave();
    this.#resign();
    this.#heartbeat.stop();
    [this.#group, this.#term] = [null, ""];
  }

  /** @param {string} token */
  #groupOf(token) {
    return groupName(this.#settings.urls, this.#settings.heartbeat, token);
  }

  /** @param {Group} group */
  #lead(group) {
    this.#heartbeat.stop();
    const token = new Token(this.#token.value, this.#token.renewable ? () => this.#renewed(group) : null);
    const leader = (this.#leader = new Leader(group, this.#settings, token, (message) => this.#receive(message)));
    this.#joinAll(leader.term);
    leader.start();
    return leader.ended;
  }

  #resign() {
    const leader = this.#leader;
    if (!leader) return;
    this.#leader = null;
    this.#formerTerms.add(this.#term);
    this.#term = "";
    leader.close();
  }

  // #renewed returns a token for the connection. One with other rights takes this tab to another group, and the
  // former group goes on without it.
  /** @param {Group} group */
  async #renewed(group) {
    const token = await this.#token.request();
    const name = await this.#groupOf(token);
    if (group.left) throw new Error("the connection was closed");
    this.#token.value = token;
    if (name === group.name) return token;
    this.#leave();
    this.#enter();
    throw new Error("the rights have changed");
  }

  /** @param {string} term */
  #joinAll(term) {
    if (this.#term) this.#formerTerms.add(this.#term);
    this.#term = term;
    for (const member of this.#members.values()) this.#join(member);
    for (const channel of this.#questions.channels) this.#ask({ type: "ask", channel });
  }

  /** @param {Member} member */
  #join({ key, selection, position, next }) {
    this.#ask({ type: "join", key, selection, position });
    if (next) this.#ask({ type: "change", key, selection: next });
  }

  // #ask sends a request to the leader, if there is one.
  /** @param {object} message */
  #ask(message) {
    const request = { ...message, term: this.#term, tab: this.#tab };
    if (this.#leader) this.#leader.serve(request);
    else if (this.#term) this.#group?.post(request);
  }

  /** @param {any} message */
  #receive(message) {
    const known = message.term === this.#term;
    switch (message.type) {
      case "who":
        this.#leader?.hello();
        return;
      case "hello":
        if (!known && !this.#leader && !this.#formerTerms.has(message.term)) this.#follow(message);
        return;
      case "event":
      case "delivery":
      case "answer":
      case "refusal":
      case "alive":
        if (!known) return;
        this.#heartbeat.received();
        if (message.type === "event") this.#event(message);
        if (message.type === "delivery") this.#deliver(message.to, message.delivery);
        if (message.type === "answer") this.#questions.answer(message.presence);
        if (message.type === "refusal") this.#questions.refuse(message.channel, message.reason);
        return;
    }
    if (known) this.#leader?.serve(message);
  }

  /** @param {any} hello */
  #follow({ term, state, url, welcome }) {
    this.url = new URL(url);
    this.#joinAll(term);
    this.#heartbeat.start();
    if (welcome) this.#emit("welcome", welcome);
    this.#setState(state, state === "connected" ? "Connected" : "Connecting…");
  }

  /** @param {any} event */
  #event({ name, detail, url }) {
    this.url = new URL(url);
    if (name === "state") this.state = detail.state;
    if (name === "pong" && !this.#pinged) return; // another tab has asked
    if (name === "pong") this.#pinged = false;
    this.#emit(name, detail);
  }

  /**
   * @param {string[]} to
   * @param {Delivery} delivery
   */
  #deliver(to, delivery) {
    for (const key of to) {
      const member = this.#members.get(key);
      if (!member) continue;
      [member.position, member.selection] = [delivery.position, delivery.selection];
      if (delivery.kind === "refused" || JSON.stringify(delivery.selection) === JSON.stringify(member.next)) member.next = null;
      member.deliver(delivery);
    }
  }

  /**
   * @param {State} state
   * @param {string} text
   */
  #setState(state, text) {
    this.state = state;
    this.#emit("state", { state, text });
  }
}
