import { GatewayClient } from "../../client/index.js";
import { refusalOf } from "./refusal.js";
import { snapshotRows } from "./snapshot-rows.js";

const HEARTBEAT = 500; // milliseconds
const HISTORY = 500; // events of the history of the gateway, with which a subscription begins
const PROBE_INTERVAL = 1000; // milliseconds
const MAX_DELAY = 4000; // milliseconds, beyond which the page skips to the latest events: the gateway disconnects a client with a large lag
const MANY = 500; // events between two probes; with fewer the page is not slow, but the network or the gateway

/** @typedef {import("../../client/index.js").Subscription} Subscription */

/**
 * EventFeed receives the events of one WebSocket sink.
 *
 * Events: "state" (detail: {state, text, why}), "message" (detail: {payload: a string or a Blob, attributes, left}), "gap" (detail: {source,
 * reason}), "resumed", "welcome" (detail: the message), "pong" (detail: the round trip in milliseconds), "refused" (detail: {status, reason}),
 * if the gateway has answered an attempt to connect with a reason, "filtered" (detail: the filter that the gateway has accepted; its events
 * follow), "filter-refused" (detail: why it has refused a filter).
 */
export class EventFeed extends EventTarget {
  /** @type {GatewayClient | null} */
  #client = null;
  /** @type {string | null} */
  #url = null;
  #token = "";
  #wasOpen = false; // the present attempt has succeeded
  #filter = ""; // the accepted one
  /** @type {Subscription | null} */
  #subscription = null;
  /** @type {Subscription | null} for another filter, which has no answer yet */
  #requested = null;
  #asked = 0; // pings of the user without an answer
  #probeAt = 0; // when a ping was sent that measures the delay; 0: none is under way
  #delay = 0; // that the last one has measured, in milliseconds
  #skipped = false; // since the last probe
  #since = 0; // messages since the last probe

  /** @type {{ state: string, text: string, why?: string }} */
  connection = { state: "connecting", text: "Connecting…" };

  constructor() {
    super();
    setInterval(() => this.#probe(), PROBE_INTERVAL);
  }

  // exists reports whether the feed has an address from which events may come.
  get exists() { return this.#client !== null; }

  // url is the address of the events; "" if there is none.
  get url() { return this.#url ?? ""; }

  // lastMessageAt is when the last message came, by performance.now().
  get lastMessageAt() { return this.#client?.lastMessageAt ?? 0; }

  /** How long messages wait until the page reads them, in milliseconds. */
  get delay() { return Math.max(this.#delay, this.#probeAt && performance.now() - this.#probeAt); }

  // watch connects to the events at a URL with a token, "" if it needs none; without a URL it ends.
  watch(/** @type {string} */ url, token = "") {
    if (url === this.#url && token === this.#token) return;
    [this.#url, this.#token, this.#wasOpen] = [url, token, false];
    this.#client?.close();
    [this.#subscription, this.#requested] = [null, null];
    this.#forgetPings();
    this.#client = url ? new GatewayClient(url, { heartbeat: HEARTBEAT, token }) : null;
    if (!this.#client) {
      this.connection = { state: "none", text: "No events to watch" };
      return;
    }
    const client = this.#client;
    client.addEventListener("state", (event) => {
      if (this.#client !== client) return;
      const { detail } = /** @type {CustomEvent} */ (event);
      if (detail.state !== "connected") this.#forgetPings();
      this.connection = detail;
      this.#emit("state", detail);
      if (detail.state === "disconnected" && !this.#wasOpen) this.#explain(url, token);
      this.#wasOpen = detail.state === "connected";
    });
    client.addEventListener("welcome", (event) => { if (this.#client === client) this.#emit("welcome", /** @type {CustomEvent} */ (event).detail); });
    client.addEventListener("pong", (event) => { if (this.#client === client) this.#pong(/** @type {CustomEvent} */ (event).detail); });
    this.#subscribe(this.#filter, HISTORY);
  }

  /** Subscribes to the events that meet an expression, instead of the former ones; "" for all. @param {string} filter */
  filter(filter) { if (this.#client) this.#subscribe(filter, HISTORY); }

  /** Returns the payloads of the first rows of a table, as the filter lets them pass. @param {string} table */
  rows(table) { return snapshotRows(this.url, { table, filter: this.#filter, token: this.#token }); }

  // reconnect ends the connection, and connects again at once.
  reconnect() { this.#client?.connect(); }

  // ping asks for a pong. It reports whether there is a connection.
  ping() {
    if (!this.#client?.ping()) return false;
    this.#asked++;
    return true;
  }

  // #subscribe adds a subscription that begins with the last events of the history. When the gateway has accepted it, it replaces the former
  // one, which goes on if the filter is refused. Without history, the page skips what it has not read yet.
  #subscribe(/** @type {string} */ filter, /** @type {number} */ last) {
    const delay = this.delay;
    this.#requested?.close();
    const client = /** @type {GatewayClient} */ (this.#client);
    /** @type {Subscription} */
    const subscription = client.subscribe({ filter, last, attributes: true }, {
      onSubscribed: () => {
        if (this.#requested !== subscription) return; // it resumes
        this.#subscription?.close();
        [this.#subscription, this.#requested, this.#filter] = [subscription, null, filter];
        if (last > 0) this.#emit("filtered", filter);
        else this.#emit("gap", { reason: `this page was ${Math.round(delay / 1000)} s behind, and has skipped to the latest events` });
      },
      onRefused: (reason) => {
        this.#emit("filter-refused", reason);
        if (this.#requested !== subscription || !this.#subscription) return; // without another one it is requested again
        this.#requested = null;
        subscription.close();
      },
      onMessage: (payload, attributes) => {
        this.#since++;
        this.#emit("message", { payload, attributes, left: false });
      },
      onLeave: (message) => this.#emit("message", { payload: JSON.stringify(message), attributes: null, left: true }),
      onResumed: () => this.#emit("resumed"),
      onGap: (gap) => { if (subscription === this.#subscription) this.#emit("gap", gap); },
    });
    this.#requested = subscription;
  }

  // #explain asks why the gateway refuses the page.
  async #explain(/** @type {string} */ url, /** @type {string} */ token) {
    const refusal = await refusalOf(url, token);
    if (!refusal || url !== this.#url || token !== this.#token || this.connection.state === "connected") return;
    this.connection = { ...this.connection, text: `Refused: ${refusal.reason}` };
    this.#emit("refused", refusal);
  }

  #probe() {
    if (this.#probeAt) this.#skipIfLate();
    else if (this.#since === 0) this.#delay = 0;
    else if (this.#client?.ping()) this.#probeAt = performance.now();
  }

  // #skipIfLate requests the latest events instead of those that the page has not read in time, once for each probe.
  #skipIfLate() {
    if (this.#skipped || this.#requested || this.#since < MANY || this.delay < MAX_DELAY) return;
    this.#skipped = true;
    this.#subscribe(this.#filter, 0);
  }

  #pong(/** @type {number} */ roundTrip) {
    if (this.#probeAt) this.#delay = performance.now() - this.#probeAt;
    [this.#probeAt, this.#since, this.#skipped] = [0, 0, false];
    if (this.#asked > 0) this.#emit("pong", roundTrip);
    this.#asked = 0;
  }

  #forgetPings() { [this.#asked, this.#probeAt, this.#delay, this.#since, this.#skipped] = [0, 0, 0, 0, false]; }

  #emit(/** @type {string} */ name, /** @type {any} */ detail = undefined) { this.dispatchEvent(new CustomEvent(name, { detail })); }
}
