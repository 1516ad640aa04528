import { Backoff } from "./backoff.js";
import { addSelection } from "./protocol.js";

/** @typedef {import("./subscription.js").Selection} Selection */
/** @typedef {import("./subscription.js").Position} Position */
/** @typedef {import("./subscription.js").Delivery} Delivery */
/** @typedef {import("./subscription.js").Stream} Stream */
/** @typedef {{ readonly url: URL, open(selection: Selection, position: Position | null, deliver: (delivery: Delivery) => void): Stream }} Link */

/**
 * Fetches the rows of a table, and subscribes to their changes behind them. Where a gap follows, it begins
 * again.
 */
export class Snapshot {
  #table;
  #link;
  #token;
  #deliver;
  #selection;
  /** @type {Stream | null} */
  #stream = null;
  #backoff = new Backoff();
  #abort = new AbortController(); // ends one load

  /**
   * @param {string} table
   * @param {Selection} selection
   * @param {Link} link
   * @param {import("./token.js").Token} token
   * @param {(delivery: Delivery) => void} deliver
   */
  constructor(table, selection, link, token, deliver) {
    this.#table = table;
    this.#selection = selection;
    this.#link = link;
    this.#token = token;
    this.#deliver = deliver;
    queueMicrotask(() => this.#load());
  }

  /** @param {Selection} selection */
  change(selection) {
    this.#selection = selection;
    this.#load();
  }

  close() {
    this.#abort.abort();
    this.#stream?.close();
    this.#stream = null;
  }

  async #load() {
    this.close();
    const { signal } = (this.#abort = new AbortController());
    const selection = this.#selection;
    try {
      const { position, rows } = await this.#fetch(signal);
      if (signal.aborted) return;
      this.#backoff.reset();
      this.#deliver({ kind: "snapshot", detail: rows, position, selection });
      if (!signal.aborted) this.#subscribe(selection, position);
    } catch (err) {
      if (signal.aborted) return;
      this.#deliver({ kind: "refused", detail: err instanceof Error ? err.message : String(err), position: null, selection });
      const timer = setTimeout(() => this.#load(), this.#backoff.next());
      signal.addEventListener("abort", () => clearTimeout(timer));
    }
  }

  /**
   * @param {Selection} selection
   * @param {Position} position
   */
  #subscribe(selection, position) {
    let begun = false;
    this.#stream = this.#link.open(selection, position, (delivery) => {
      const subscribed = delivery.kind === "subscribed";
      if (delivery.kind === "gap" || subscribed && delivery.detail === false) this.#load();
      else if (!subscribed || begun) this.#deliver(delivery);
      begun ||= subscribed;
    });
  }

  /**
   * @param {AbortSignal} signal
   * @returns {Promise<{ position: Position, rows: string[] }>}
   */
  async #fetch(signal) {
    const url = new URL(this.#link.url);
    url.protocol = url.protocol.replace("ws", "http");
    url.searchParams.set("snapshot", this.#table);
    addSelection(url, this.#selection);
    const token = this.#token;
    if (token.renewable && token.stale) {
      token.value = await token.request();
      token.stale = false;
    }
    const response = await fetch(url, { signal, headers: token.value ? { Authorization: `Bearer ${token.value}` } : {} });
    if (response.status === 401) token.stale = true;
    const text = await response.text();
    if (!response.ok) throw new Error(`no snapshot of ${this.#table}: ${response.status} ${text.trim()}`);
    const [first, ...rows] = text.trimEnd().split("\n");
    const end = JSON.parse(rows.pop() ?? "{}");
    if (end.complete !== true || end.rows !== rows.length) throw new Error(`the snapshot of ${this.#table} is incomplete${end.error ? `: ${end.error}` : ""}`);
    return { position: JSON.parse(first), rows };
  }
}
