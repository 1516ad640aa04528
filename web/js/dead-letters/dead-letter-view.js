/**
 * @import { Letter, Overview } from "../../types/api.js"
 */
import { messageOf } from "../api/request.js";
import { make, short } from "../dom.js";
import { sideDrawer } from "../page/side-drawer.js";
import { deleteLetters, downloadURL, replayLetters, searchLetters } from "./letter-api.js";
import { LetterDetail } from "./letter-detail.js";
import { LetterSearch } from "./letter-search.js";
import { LetterTable } from "./letter-table.js";
import { ReplayProgress } from "./replay-progress.js";

// <dead-letter-view> searches the events that could not be delivered and went to no dead-letter sink, and sends them again.
class DeadLetterView extends HTMLElement {
  #search = new LetterSearch();
  #table = new LetterTable();
  #detail = new LetterDetail();
  #progress = new ReplayProgress();
  #summary = make("p", { class: "summary", role: "status" });
  #actions = make("div", { class: "actions" });
  #rate = make("input", { type: "number", min: "0", max: "1000000", step: "any", "aria-label": "Letters per second", placeholder: "no limit" });
  #more = make("button", { type: "button" }, "Older ones");
  #problem = make("p", { class: "error", role: "alert" });
  /** @type {Overview | null} */
  #status = null;
  #wanted = ""; // the letter to open when there is a status
  #seen = ""; // of the status, when letters were searched last
  /** @type {Letter[]} */
  #letters = [];
  #next = 0;
  #abort = new AbortController();
  #confirm = ""; // the text of the button that was pressed once

  connectedCallback() {
    if (this.#summary.isConnected) return;
    this.replaceChildren(this.#search, make("div", { class: "bar" }, this.#summary, this.#actions), this.#progress, this.#problem, this.#table, this.#more);
    this.#search.addEventListener("search", () => { this.#confirm = ""; this.#load(); });
    this.#table.addEventListener("open", (event) => this.follow(String(/** @type {CustomEvent} */ (event).detail)));
    this.#table.addEventListener("select", () => { this.#confirm = ""; this.#drawActions(); });
    this.#more.addEventListener("click", () => this.#load(this.#next));
    for (const changes of [this.#detail, this.#progress]) changes.addEventListener("changed", () => this.#load());
    this.#detail.addEventListener("deleted", () => sideDrawer().close());
    this.#draw();
  }

  /**
   * follow opens the letter with a number, as the link #dead-letters/17 does.
   * @param {string} number
   */
  follow(number) {
    if (!/^\d+$/.test(number)) return;
    this.#wanted = number;
    if (this.#status) this.#open(this.#status);
  }

  /** @param {Overview} status */
  #open(status) {
    const number = this.#wanted;
    this.#wanted = "";
    sideDrawer().open(`Dead letter ${number}`, this.#detail, `dead-letters/${number}`);
    this.#detail.load(Number(number), status);
  }

  /**
   * show searches again when there are other letters than before, unless some are selected, or older ones are shown.
   * @param {Overview} status
   */
  show(status) {
    const before = this.#status;
    this.#status = status;
    if (this.#wanted) this.#open(status);
    const store = status.dead_letter_store;
    const seen = store ? `${store.stored}-${store.removed}-${store.evicted}-${store.expired}` : String(status.dead_letters);
    if (before?.role !== status.role) this.#drawActions();
    if (seen === this.#seen || this.#table.selected.size > 0 || this.#letters.length > 100) return;
    this.#seen = seen;
    this.#load();
  }

  // #load searches; before is where the next page begins.
  async #load(before = 0) {
    this.#abort.abort();
    const { signal } = this.#abort = new AbortController();
    try {
      const { letters, next } = await searchLetters(this.#search.query, before, signal);
      if (signal.aborted) return;
      this.#letters = before ? [...this.#letters, ...letters] : letters;
      this.#next = next;
      this.#problem.textContent = "";
    } catch (err) {
      if (signal.aborted) return;
      this.#problem.textContent = messageOf(err);
      this.#seen = ""; // the next status tries again
    }
    this.#draw();
  }

  #draw() {
    this.#table.show(this.#letters, this.#status?.role === "admin");
    this.#table.hidden = this.#letters.length === 0;
    this.#more.hidden = this.#next === 0;
    const n = this.#letters.length, held = this.#status?.dead_letter_store?.held;
    const searched = Object.keys(this.#search.query ?? {}).length > 0;
    if (n === 0) this.#summary.textContent = this.#next ? "None found yet. Search older ones." : searched ? "No dead letter matches." : "No dead letters.";
    else this.#summary.textContent = `${n}${this.#next ? " newest" : ""} dead letter${n === 1 ? "" : "s"}${searched ? " found" : ""}${held === undefined ? " in memory" : `, ${short(held)} in the store`}`;
    this.#drawActions();
  }

  #drawActions() {
    const chosen = [...this.#table.selected];
    this.#actions.hidden = this.#status?.role !== "admin" || this.#letters.length === 0;
    if (this.#actions.hidden) return;
    const query = this.#search.query, searched = Object.keys(query).length > 0;
    const selection = chosen.length > 0 ? { numbers: chosen } : searched ? query : { all: true };
    const which = chosen.length > 0 ? `${chosen.length} selected` : searched ? "all that match" : "all";
    const download = make("a", { href: downloadURL(query), download: "dead-letters.jsonl", class: "button" }, "Download");
    this.#actions.replaceChildren(make("label", {}, "at most ", this.#rate, " /s"),
      this.#button(`Replay ${which}`, "primary", chosen.length === 0, async () => {
        const state = await replayLetters({ ...selection, rate: Number(this.#rate.value) || 0 });
        this.#table.selected.clear();
        this.#progress.follow(state);
      }),
      this.#button(`Delete ${which}`, "danger", true, async () => {
        const { removed } = await deleteLetters(selection);
        this.#table.selected.clear();
        await this.#load();
        this.#summary.textContent = `${removed} deleted. ${this.#summary.textContent}`;
      }), download);
  }

  /**
   * #button returns a button; with confirm, only a second press acts.
   * @param {string} text
   * @param {string} name the class
   * @param {boolean} confirm
   * @param {() => Promise<void>} act
   */
  #button(text, name, confirm, act) {
    const sure = `${text}: really?`;
    const element = make("button", { type: "button", class: name }, this.#confirm === text ? sure : text);
    element.addEventListener("click", async () => {
      if (confirm && this.#confirm !== text) {
        this.#confirm = text;
        element.textContent = sure;
        return;
      }
      this.#confirm = "";
      element.disabled = true;
      try {
        await act();
        this.#problem.textContent = "";
      } catch (err) {
        this.#problem.textContent = messageOf(err);
      }
      this.#drawActions();
    });
    return element;
  }
}

customElements.define("dead-letter-view", DeadLetterView);
