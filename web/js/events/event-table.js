import { clock, make, plain, throttle } from "../dom.js";
import { labelOf } from "./columns.js";
import { rowOf } from "./payload.js";

/** @typedef {import("./payload.js").Item} Item */
/** @typedef {import("./event-store.js").Tab} Tab */

const PAGE = 50; // rows that are shown at first, and with each step
const MAX_FRESH = 5; // rows of one frame that are marked as new; more would only flicker

/**
 * <event-table> shows the latest event of each row of a tab, the latest change on top, with a color and a label by operation.
 *
 * While the pointer is over a row, or the focus is in one, it stands still. Events: "pick" (detail: an Item), "drawn".
 */
export class EventTable extends HTMLElement {
  /** @type {Map<Item, HTMLElement>} */
  #rows = new Map();
  /** @type {WeakMap<HTMLElement, Item>} */
  #items = new WeakMap();
  #head = make("tr");
  #body = make("tbody");
  #table = make("table", { class: "events" }, make("thead", {}, this.#head), this.#body);
  #empty = make("p", { class: "empty" });
  #more = make("button", { class: "more", hidden: "" });
  #limit = PAGE;
  #shownColumns = "";
  #throttled = throttle(() => { if (!this.frozen && this.checkVisibility()) this.draw(); });

  /** @type {() => { tab: Tab | null, columns: string[], matches: (item: Item) => boolean }} what is shown */
  source = () => ({ tab: null, columns: [], matches: () => true });
  drawn = 0; // rows that were drawn anew

  connectedCallback() {
    if (this.#table.isConnected) return;
    this.append(this.#table, this.#empty, this.#more);
    this.#body.addEventListener("click", (event) => this.#pick(/** @type {HTMLElement} */ (event.target)));
    this.#body.addEventListener("pointerleave", () => this.#throttled());
    this.#body.addEventListener("focusout", () => this.#throttled());
    this.#more.addEventListener("click", () => {
      this.#limit += PAGE;
      this.draw();
    });
    this.draw();
  }

  /** @param {string} text that is shown while there are no events */
  set hint(text) { this.#hint = text; }
  #hint = "";

  /** Whether the user looks at a row, so that it must not move away. */
  get frozen() { return this.#body.matches(":hover") || this.#body.querySelector(":focus-visible") !== null; }

  /** Schedules a draw, unless the table is frozen then. */
  changed() { this.#throttled(); }

  /** Shows the first rows only. */
  top() { this.#limit = PAGE; }

  draw() {
    const { tab, columns, matches } = this.source();
    const shown = [];
    let rest = 0;
    for (const item of tab ? [...tab.rows.values()].reverse() : []) {
      if (!matches(item)) continue;
      if (shown.length < this.#limit) shown.push(item);
      else rest++;
    }
    this.#drawHead(tab, columns, shown[0]);
    const fresh = this.#rows.size > 0 && shown.reduce((n, item) => n + (this.#rows.has(item) ? 0 : 1), 0) <= MAX_FRESH;
    const rows = new Map();
    for (const item of shown) {
      let row = this.#rows.get(item);
      if (!row) {
        row = this.#safeRow(item, columns);
        row.classList.toggle("fresh", fresh);
        this.#items.set(row, item);
        this.drawn++;
      }
      rows.set(item, row);
    }
    this.#rows = rows;
    this.#body.replaceChildren(...rows.values());
    this.#table.hidden = shown.length === 0;
    this.#empty.hidden = shown.length > 0;
    const empty = tab && tab.rows.size > 0 ? "No event here meets the search and the chosen operations." : this.#hint;
    if (this.#empty.textContent !== empty) this.#empty.textContent = empty;
    this.#more.hidden = rest === 0;
    this.#more.textContent = `Show ${Math.min(rest, PAGE)} more of ${rest}`;
    this.dispatchEvent(new Event("drawn"));
  }

  /** @param {Tab | null} tab @param {string[]} columns @param {Item | undefined} first */
  #drawHead(tab, columns, first) {
    const signature = JSON.stringify([tab?.name, columns]);
    if (signature === this.#shownColumns) return;
    this.#shownColumns = signature;
    this.#rows.clear();
    const published = first && "_published_at" in messageOf(first);
    this.#head.replaceChildren(make("th", { scope: "col" }, make("span", { class: "hidden-text" }, "Operation")),
      ...columns.map((name) => make("th", { scope: "col", class: name === "amount" ? "number" : "" }, tab ? labelOf(tab, name) : name)),
      make("th", { scope: "col" }, published ? "Published" : "Time"));
  }

  // #safeRow returns a row for an item, or one with the error: one such payload must not prevent the drawing of the others.
  /** @param {Item} item @param {string[]} columns */
  #safeRow(item, columns) {
    try {
      return this.#row(item, columns);
    } catch (err) {
      return make("tr", {}, make("td", { colspan: columns.length + 2 }, openButton(item), ` ${String(item.key).slice(0, 100)} cannot be shown: ${/** @type {Error} */ (err).message}`));
    }
  }

  /** @param {Item} item @param {string[]} columns */
  #row(item, columns) {
    const operation = item.left ? "DELETE" : item.operation;
    const row = make("tr", { "data-operation": operation }, make("td", {}, openButton(item)));
    if (item.columns.length === 0) row.append(make("td", { class: "text", colspan: Math.max(columns.length, 1) }, textOf(item)));
    else {
      const values = rowOf(item);
      for (const name of columns) {
        const text = Object.hasOwn(values, name) ? plain(values[name]).slice(0, 300) : "";
        row.append(make("td", name === "amount" ? { class: "number" } : {}, text));
      }
    }
    const at = timeOf(item);
    row.append(make("td", { title: at.toISOString() }, clock(at)));
    return row;
  }

  /** @param {HTMLElement} target */
  #pick(target) {
    const row = /** @type {HTMLElement | null} */ (target.closest("tr"));
    const item = row && this.#items.get(row);
    if (!item || getSelection()?.isCollapsed === false) return;
    this.dispatchEvent(new CustomEvent("pick", { detail: item }));
  }
}

/** @param {Item} item */
const openButton = ({ operation, left }) => make("button", { class: "badge", title: "Show this event" }, left ? "LEFT" : operation.slice(0, 40));

/** @param {Item} item */
const textOf = ({ payload }) => (typeof payload === "string" ? payload.slice(0, 300) : `${payload.size} bytes`);

/** @param {Item} item */
function messageOf({ payload }) {
  try {
    const message = typeof payload === "string" ? JSON.parse(payload) : {};
    return typeof message === "object" && message !== null ? message : {};
  } catch {
    return {};
  }
}

/** @param {Item} item @returns {Date} when it was published, or written; else when it came */
export function timeOf(item) {
  const message = messageOf(item);
  for (const value of [message._published_at, message.at, item.attributes?.origin, item.attributes?.time]) {
    const time = new Date(typeof value === "string" || typeof value === "number" ? value : NaN);
    if (!isNaN(time.getTime())) return time;
  }
  return new Date(item.at);
}

customElements.define("event-table", EventTable);
