import { make, short } from "../dom.js";
import { OTHERS } from "./event-store.js";

/** @typedef {import("./event-store.js").Tab} Tab */

/** The buttons that choose a table or a channel. Until the user chooses, a table comes first. */
export class TabList {
  /** @type {Map<string, { button: HTMLElement, count: HTMLElement }>} */
  #buttons = new Map();
  #chosen = "";
  #changed;

  element = make("div", { class: "tables", role: "group", "aria-label": "Tables and channels" });
  selected = "";

  /** @param {() => void} changed */
  constructor(changed) { this.#changed = changed; }

  /** @param {Map<string, Tab>} tabs */
  show(tabs) {
    for (const [name, { button }] of this.#buttons) {
      if (tabs.has(name)) continue;
      button.remove();
      this.#buttons.delete(name);
    }
    const select = tabs.has(this.#chosen) ? this.#chosen : [...tabs.values()].find(({ ofTable }) => ofTable)?.name ?? tabs.keys().next().value ?? "";
    const changed = select !== this.selected;
    this.selected = select;
    for (const [name, { total }] of tabs) {
      const { button, count } = this.#buttons.get(name) ?? this.#add(name);
      const [pressed, text] = [String(name === select), short(total)];
      if (button.getAttribute("aria-pressed") !== pressed) button.setAttribute("aria-pressed", pressed);
      if (count.textContent !== text) count.textContent = text;
    }
    if (changed) this.#changed();
  }

  /** @param {string} name */
  #add(name) {
    const count = make("span", { class: "count" });
    const button = make("button", { title: name }, make("span", { class: "name" }, name), " ", count);
    button.addEventListener("click", () => {
      this.#chosen = this.selected = name;
      this.#changed();
    });
    const entry = { button, count };
    this.#buttons.set(name, entry);
    this.element.append(button);
    return entry;
  }
}

/** A button for each operation, with the number of its events. Those that are pressed are shown; if none is, all are. */
export class Chips {
  /** @type {Map<string, { button: HTMLElement, count: HTMLElement }>} */
  #buttons = new Map();
  /** @type {Set<string>} */
  #pressed = new Set();
  #changed;

  element = make("div", { class: "chips", role: "group", "aria-label": "Operations", hidden: "" });

  /** @param {() => void} changed */
  constructor(changed) { this.#changed = changed; }

  /** Shows all operations again. */
  reset() {
    this.#pressed.clear();
    this.#buttons.clear();
    this.element.replaceChildren();
  }

  /** @param {string} operation */
  shows(operation) {
    return this.#pressed.size === 0 || this.#pressed.has(this.#buttons.has(operation) ? operation : OTHERS);
  }

  /** @param {Tab | null} tab */
  show(tab) {
    const counts = tab?.counts ?? new Map();
    this.element.hidden = counts.size < 2 && this.#pressed.size === 0;
    for (const name of this.#buttons.keys()) {
      if (!counts.has(name)) /** @type {{ count: HTMLElement }} */ (this.#buttons.get(name)).count.textContent = "0";
    }
    for (const [name, n] of counts) {
      const { count } = this.#buttons.get(name) ?? this.#add(name);
      const text = n.toLocaleString("en");
      if (count.textContent !== text) count.textContent = text;
    }
  }

  /** @param {string} name */
  #add(name) {
    const count = make("span", { class: "count" });
    const button = make("button", { "aria-pressed": "false", "data-operation": name }, make("span", { class: "badge" }, name.slice(0, 40)), " ", count);
    button.addEventListener("click", () => {
      if (!this.#pressed.delete(name)) this.#pressed.add(name);
      button.setAttribute("aria-pressed", String(this.#pressed.has(name)));
      this.#changed();
    });
    const entry = { button, count };
    this.#buttons.set(name, entry);
    this.element.append(button);
    return entry;
  }
}
