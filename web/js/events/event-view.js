import { parse } from "../../client/index.js";
import { make, plain, short } from "../dom.js";
import "./activity-log.js";
import { ColumnChoice } from "./columns.js";
import { ColumnMenu } from "./column-menu.js";
import { showEvent } from "./event-detail.js";
import { EventStore } from "./event-store.js";
import "./event-table.js";
import { FilterField } from "./filter-field.js";
import { BINARY } from "./payload.js";
import { RowLoader } from "./row-loader.js";
import { Chips, TabList } from "./tab-list.js";

/** @typedef {import("./payload.js").Item} Item */

const CHECK_INTERVAL = 1000; // milliseconds
const UNDO_TIME = 30_000; // milliseconds

/**
 * <event-view> shows the events that arrive: the latest of each row in a table, with a tab for each table or channel, and all in a log of
 * activity.
 */
class EventView extends HTMLElement {
  #store = new EventStore();
  #choice = new ColumnChoice();
  #table = /** @type {import("./event-table.js").EventTable} */ (make("event-table"));
  #log = /** @type {import("./activity-log.js").ActivityLog} */ (make("activity-log"));
  #tabs = new TabList(() => this.#select());
  #chips = new Chips(() => this.#redraw());
  #menu = new ColumnMenu(this.#choice, () => this.#redraw());
  #rows = new RowLoader((payloads) => this.#addOlder(payloads));
  #search = make("input", { type: "search", "aria-label": "Search in the events shown", placeholder: "Search…" });
  #pause = make("button", { class: "pause", "aria-pressed": "false", title: "Space" }, "Pause");
  #notice = make("p", { class: "notice", hidden: "" });
  #cutOff = make("p", { class: "notice cut-off", role: "status", hidden: "" });
  #undo = make("p", { class: "undo", role: "status", hidden: "" });
  /** @type {EventStore | null} what has come since a pause */
  #waiting = null;
  #unseen = 0; // events since the table was drawn
  #undoTimer = 0;

  /** @type {FilterField} the field for the filter that the gateway evaluates */
  filter = new FilterField();
  /** @returns {number} how far the page is behind the gateway, in milliseconds */
  behind = () => 0;
  /** @returns {string} the URL of the events; "" if there are none */
  url = () => "";

  connectedCallback() {
    if (this.#table.isConnected) return;
    this.append(
      make("section", { class: "card events-card", "aria-labelledby": "events-title" },
        make("div", { class: "events-bar" }, make("h2", { id: "events-title" }, "Events"), this.#tabs.element, this.#search, this.#pause, this.#menu.element),
        this.filter.element, this.#rows.element, this.#chips.element, this.#undo, this.#cutOff, this.#notice, this.#table),
      make("section", { class: "card activity", "aria-labelledby": "activity-title" }, make("h2", { id: "activity-title" }, "Activity"), this.#log));
    this.#table.source = () => ({ tab: this.#tab, columns: this.#tab ? this.#choice.of(this.#tab) : [], matches: (item) => this.#matches(item) });
    this.#table.addEventListener("drawn", () => this.#drawn());
    this.#table.addEventListener("pick", (event) => showEvent(/** @type {CustomEvent<Item>} */ (event).detail, this.url()));
    this.#search.addEventListener("input", () => this.#redraw());
    this.#pause.addEventListener("click", () => this.togglePause());
    this.addEventListener("focusin", () => this.#showNotice());
    setInterval(() => this.#check(), CHECK_INTERVAL);
  }

  opened() {
    this.#redraw();
    this.#log.opened();
  }

  /** Offers to load the rows of tables. @param {string[]} tables */
  offerRows(tables) { this.#rows.offer(tables); }

  /** @param {(table: string) => Promise<string[]>} load returns the payloads of the rows of a table */
  set loadRows(load) { this.#rows.load = load; }

  /** @param {string} text while there are no events */
  set hint(text) {
    this.#table.hint = text;
    if (this.#store.total === 0) this.#table.changed();
  }

  get #tab() { return this.#store.tabs.get(this.#tabs.selected) ?? null; }

  /**
   * Shows an event.
   *
   * @param {string | Blob} payload
   * @param {any} [attributes] that the gateway has sent beside it
   * @param {boolean} [left] whether it is the last one of a row that has left the filter
   */
  add(payload, attributes, left) {
    const item = (this.#waiting ?? this.#store).add(payload, attributes, left);
    this.#log.add(item.operation, () => summaryOf(item));
    if (this.#waiting) return;
    this.#unseen++;
    this.#table.changed();
  }

  /** Shows a line of activity that is no event. @param {string} label @param {string} text */
  log(label, text) { this.#log.note(label, text); }

  /** Shows why the gateway has ended the connection. @param {string} text */
  showCutOff(text) {
    this.#cutOff.hidden = text === "";
    this.#cutOff.textContent = text;
  }

  /** Stops to show new events, or shows those that have come meanwhile. */
  togglePause() {
    if (this.#waiting) this.#store.absorb(this.#waiting);
    this.#waiting = this.#waiting ? null : new EventStore();
    this.#showPause();
    this.#redraw();
  }

  /**
   * Removes all events. The user may undo that for a while.
   *
   * @param {() => void} [undone] is called then
   */
  clear(undone = () => {}) {
    const [store, restoreLog] = [this.#store, this.#log.clear()];
    this.#store = new EventStore();
    if (this.#waiting) {
      store.absorb(this.#waiting);
      this.#waiting = new EventStore();
    }
    const button = make("button", {}, "Undo");
    button.addEventListener("click", () => {
      store.absorb(this.#store);
      this.#store = store;
      restoreLog();
      undone();
      this.#forgetUndo();
      this.#redraw();
    });
    this.#undo.replaceChildren(`Cleared ${short(store.total)} events. `, button);
    this.#undo.hidden = store.total === 0;
    clearTimeout(this.#undoTimer);
    this.#undoTimer = setTimeout(() => this.#forgetUndo(), UNDO_TIME);
    this.#showPause();
    this.#redraw();
  }

  /** Removes all events because others follow: those of another filter. */
  restart() {
    this.#store = new EventStore();
    if (this.#waiting) this.#waiting = new EventStore();
    this.#redraw();
  }

  #forgetUndo() {
    clearTimeout(this.#undoTimer);
    this.#undo.hidden = true;
    this.#undo.replaceChildren();
  }

  #select() {
    this.#table.top();
    this.#chips.reset();
    this.#redraw();
  }

  /** @param {string[]} payloads */
  #addOlder(payloads) {
    const added = this.#store.addOlder(payloads);
    this.#redraw();
    return added;
  }

  // #redraw shows a change that the user has made, also in a frozen table.
  #redraw() {
    this.#tabs.show(this.#store.tabs);
    this.#table.draw();
  }

  /** @param {Item} item */
  #matches(item) {
    if (!this.#chips.shows(item.operation)) return false;
    const text = this.#search.value.trim().toLowerCase();
    return text === "" || item.operation.toLowerCase().includes(text) || typeof item.payload === "string" && item.payload.toLowerCase().includes(text) ||
      (item.key ?? "").toLowerCase().includes(text);
  }

  #drawn() {
    this.#unseen = 0;
    this.#tabs.show(this.#store.tabs);
    const tab = this.#tab;
    this.#chips.show(tab);
    this.#menu.show(tab);
    this.#showNotice();
  }

  #check() {
    const tab = this.#tab;
    const behind = this.behind();
    const ratio = tab && !this.#table.frozen && this.#table.drawn > 0 ? Math.round(tab.arrived / this.#table.drawn) : 1;
    this.#busyChecks = ratio > 1 ? this.#busyChecks + 1 : 0; // a burst, such as the history, is drawn within a second
    this.#slow = [this.#busyChecks > 1 ? `Showing 1 of ${short(ratio)} events` : "", behind >= CHECK_INTERVAL ? `${Math.round(behind / 1000)} s behind` : ""].filter(Boolean).join(", ");
    if (tab) tab.arrived = 0;
    this.#table.drawn = 0;
    this.#showPause();
    this.#showNotice();
  }
  #slow = "";
  #busyChecks = 0;

  #showNotice() {
    const frozen = this.#table.frozen && this.#unseen > 0 ? `Stands still while you look at a row: ${short(this.#unseen)} new` : "";
    const text = frozen || this.#slow;
    this.#notice.hidden = text === "";
    if (this.#notice.textContent !== text) this.#notice.textContent = text;
  }

  #showPause() {
    this.#pause.setAttribute("aria-pressed", String(this.#waiting !== null));
    const text = this.#waiting === null ? "Pause" : `Resume (${this.#waiting.total.toLocaleString("en")} new)`;
    if (this.#pause.textContent !== text) this.#pause.textContent = text;
  }
}

/** @param {Item} item */
function summaryOf({ payload, operation, ofTable, tab, field, key }) {
  if (typeof payload !== "string") return operation === BINARY ? `${payload.size} bytes` : "";
  if (!ofTable || key === null) return payload.slice(0, 301);
  return field === "order" ? `Order ${key} ${plain(parse(payload).order.customer_name)}` : `${tab} ${key}`;
}

customElements.define("event-view", EventView);
