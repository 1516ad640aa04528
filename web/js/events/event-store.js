import { OTHER, describe } from "./payload.js";

/** @typedef {import("./payload.js").Item} Item */

const MAX_TABS = 40;
const MAX_COLUMNS = 100; // of a tab
const MAX_OPERATIONS = 12; // of a tab that are counted apart
const MAX_ROWS = 500; // of a tab
const MAX_LENGTH = 4_000_000; // of the payloads of a tab, in characters or bytes
export const OTHERS = "others"; // the operations beyond MAX_OPERATIONS

/** What the page holds of one table or channel: the latest event of each row, and counts of all events. */
export class Tab {
  #length = 0;
  /** @type {Map<string, Item>} */
  #older = new Map();

  /** @type {Map<string, Item>} by row, the latest change last */
  rows = new Map();
  /** @type {Set<string>} */
  columns = new Set();
  /** @type {Map<string, number>} of events by operation */
  counts = new Map();
  total = 0; // of events
  arrived = 0; // events since the page has looked last

  /** @param {string} name @param {boolean} ofTable */
  constructor(name, ofTable) {
    this.name = name;
    this.ofTable = ofTable;
  }

  /** @param {Item} item */
  count({ operation }) {
    const name = this.counts.has(operation) || this.counts.size < MAX_OPERATIONS ? operation : OTHERS;
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    this.total++;
    this.arrived++;
  }

  /** Sets a row that is older than all others; sortOlder follows. @param {string} id @param {Item} item */
  setOlder(id, item) {
    if (this.rows.size + this.#older.size < MAX_ROWS) this.#older.set(id, item);
  }

  sortOlder() {
    if (this.#older.size === 0) return;
    const rows = [...this.rows];
    [this.rows, this.#length] = [new Map(), 0];
    for (const [id, item] of [...[...this.#older].reverse(), ...rows]) this.set(id, item);
    this.#older.clear();
  }

  /** @param {string} id @param {Item} item */
  set(id, item) {
    const former = this.rows.get(id);
    if (former) {
      item.previous ??= former;
      former.previous = null;
      this.#remove(id);
    }
    for (const name of item.columns) {
      if (this.columns.size >= MAX_COLUMNS) break;
      this.columns.add(name);
    }
    this.rows.set(id, item);
    this.#length += lengthOf(item);
    while (this.rows.size > MAX_ROWS || this.#length > MAX_LENGTH && this.rows.size > 1) this.#remove(/** @type {string} */ (this.rows.keys().next().value));
  }

  /** @param {string} id */
  #remove(id) {
    this.#length -= lengthOf(/** @type {Item} */ (this.rows.get(id)));
    this.rows.delete(id);
  }
}

/** @param {Item} item */
const lengthOf = ({ payload }) => (typeof payload === "string" ? payload.length : payload.size);

/** EventStore holds the events that the page shows, by table or channel and key. */
export class EventStore {
  #keyless = 0;

  /** @type {Map<string, Tab>} */
  tabs = new Map();
  total = 0;

  /**
   * Adds an event.
   *
   * @param {string | Blob} payload
   * @param {any} [attributes]
   * @param {boolean} [left]
   */
  add(payload, attributes, left) {
    const item = describe(payload, attributes, left);
    this.put(item);
    return item;
  }

  /** @param {Item} item */
  put(item) {
    this.total++;
    const tab = this.#tab(item);
    tab.count(item);
    tab.set(this.#row(item), item);
  }

  /**
   * Adds rows that are older than all events: those without an event.
   *
   * @param {string[]} payloads
   * @returns {number} how many were added
   */
  addOlder(payloads) {
    let added = 0;
    for (const payload of payloads) {
      const item = describe(payload);
      const tab = this.#tab(item), row = this.#row(item);
      if (tab.rows.has(row)) continue;
      tab.count(item);
      tab.setOlder(row, item);
      this.total++;
      added++;
    }
    for (const tab of this.tabs.values()) tab.sortOlder();
    return added;
  }

  /**
   * Adds what another store has got after this one.
   *
   * @param {EventStore} later
   */
  absorb(later) {
    this.total += later.total;
    for (const { name, ofTable, rows, counts, total } of later.tabs.values()) {
      const tab = this.tabs.get(name) ?? new Tab(name, ofTable);
      this.tabs.set(name, tab);
      for (const item of rows.values()) tab.set(this.#row(item), item);
      for (const [operation, n] of counts) tab.counts.set(operation, (tab.counts.get(operation) ?? 0) + n);
      tab.total += total;
    }
  }

  /** @param {Item} item */
  #tab({ tab: name, ofTable }) {
    if (!this.tabs.has(name) && this.tabs.size >= MAX_TABS) [name, ofTable] = [OTHER, false];
    let tab = this.tabs.get(name);
    if (!tab) this.tabs.set(name, tab = new Tab(name, ofTable));
    return tab;
  }

  // #row returns the key of a row among those of its tab. Each event without a key is a row of its own.
  /** @param {Item} item */
  #row({ tab, key }) { return key === null ? `event ${++this.#keyless}` : this.tabs.has(tab) ? `row ${key}` : `row ${tab} ${key}`; }
}
