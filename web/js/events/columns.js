/** @typedef {import("./event-store.js").Tab} Tab */

const STORED = "eventgateway.columns"; // in localStorage: [[tab, [column, ...]], ...]
const MAX_STORED = 100; // tabs
const DEFAULT = 6; // columns that are shown at first
const ORDER = [["id", "Order"], ["customer_name", "Customer"], ["product_name", "Product"], ["status", "Status"], ["amount", "Amount"]]; // of the order pipeline
const LABELS = new Map(/** @type {[string, string][]} */ (ORDER));

/** The columns that the user has chosen for each tab; they outlive the page. */
export class ColumnChoice {
  /** @type {Map<string, string[]>} */
  #chosen = load();

  /** @param {Tab} tab @returns {string[]} names of the columns that are shown */
  of(tab) { return this.#chosen.get(tab.name) ?? defaults(tab); }

  /** @param {Tab} tab @returns {string[]} names of all columns */
  all(tab) { return [...new Set([...(isOrders(tab) ? ORDER.map(([name]) => name) : []), ...tab.columns, ...this.of(tab)])]; }

  /** @param {Tab} tab @param {string} column @param {boolean} shown */
  choose(tab, column, shown) {
    const now = this.of(tab);
    this.#chosen.delete(tab.name);
    this.#chosen.set(tab.name, this.all(tab).filter((name) => (name === column ? shown : now.includes(name))));
    this.#store();
  }

  /** @param {Tab} tab */
  reset(tab) {
    this.#chosen.delete(tab.name);
    this.#store();
  }

  #store() {
    try {
      localStorage.setItem(STORED, JSON.stringify([...this.#chosen].slice(-MAX_STORED)));
    } catch {
      // The browser stores nothing: the choice holds as long as the page.
    }
  }
}

/** @returns {Map<string, string[]>} */
function load() {
  try {
    const stored = JSON.parse(localStorage.getItem(STORED) ?? "[]");
    return new Map(stored.filter((/** @type {any} */ [tab, columns]) => typeof tab === "string" && columns.every((/** @type {any} */ name) => typeof name === "string")));
  } catch {
    return new Map();
  }
}

/** @param {Tab} tab */
const isOrders = (tab) => tab.name === "orders" || tab.columns.has("customer_name") && tab.columns.has("product_name");

/** @param {Tab} tab */
const defaults = (tab) => (isOrders(tab) ? ORDER.map(([name]) => name) : [...tab.columns].slice(0, DEFAULT));

/** @param {Tab} tab @param {string} column */
export const labelOf = (tab, column) => (isOrders(tab) ? LABELS.get(column) ?? column : column);
