import { clock, make, throttle } from "../dom.js";

const MAX_EVENTS = 40; // lines
const MAX_NOTES = 100; // lines

/** @typedef {{ n: number, at: Date, label: string, text: string | (() => string), note: boolean }} Line */

/**
 * <activity-log> shows what has happened, the newest first: the latest events, and notes, such as those about the connection. Events
 * never push a note out.
 */
export class ActivityLog extends HTMLElement {
  #n = 0;
  /** @type {Line[]} */
  #events = [];
  /** @type {Line[]} */
  #notes = [];
  /** @type {Map<Line, HTMLElement>} */
  #shown = new Map();
  #list = make("ol");
  #draw = throttle(() => this.#render());

  connectedCallback() {
    this.tabIndex = 0; // the keyboard can scroll it
    this.replaceChildren(this.#list);
  }

  /** Shows what has come while another view was open. */
  opened() { this.#draw(); }

  /** Adds a line about an event. Its text is asked for only if it is shown. @param {string} label @param {() => string} text */
  add(label, text) { this.#add(this.#events, MAX_EVENTS, label, text, false); }

  /** Adds a line about something else. @param {string} label @param {string} text */
  note(label, text) { this.#add(this.#notes, MAX_NOTES, label, text, true); }

  /** Removes all lines, and returns a function that adds them again. */
  clear() {
    const [events, notes] = [this.#events, this.#notes];
    [this.#events, this.#notes] = [[], []];
    this.#draw();
    return () => {
      this.#events = [...events, ...this.#events].slice(-MAX_EVENTS);
      this.#notes = [...notes, ...this.#notes].slice(-MAX_NOTES);
      this.#draw();
    };
  }

  /** @param {Line[]} lines @param {number} most @param {string} label @param {Line["text"]} text @param {boolean} note */
  #add(lines, most, label, text, note) {
    lines.push({ n: ++this.#n, at: new Date(), label, text, note });
    if (lines.length > 2 * most) lines.splice(0, most);
    this.#draw();
  }

  #render() {
    if (!this.checkVisibility()) return;
    const lines = [...this.#events.slice(-MAX_EVENTS), ...this.#notes.slice(-MAX_NOTES)].sort((a, b) => b.n - a.n);
    /** @type {Map<Line, HTMLElement>} */
    const shown = new Map();
    for (const line of lines) shown.set(line, this.#shown.get(line) ?? elementOf(line));
    this.#shown = shown;
    this.#list.replaceChildren(...shown.values());
  }
}

/** @param {Line} line */
function elementOf({ at, label, text: given, note }) {
  const text = typeof given === "string" ? given : given();
  return make("li", note ? { class: "note" } : { "data-operation": label }, make("time", {}, clock(at)),
    make("span", { class: "badge" }, label.slice(0, 40)), make("span", { class: "text" }, text.length > 300 ? `${text.slice(0, 300)}…` : text));
}

customElements.define("activity-log", ActivityLog);
