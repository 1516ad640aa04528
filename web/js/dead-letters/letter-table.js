/** @import { Letter } from "../../types/api.js" */
import { make } from "../dom.js";

const SHOWN = 160; // characters of a payload or reason in a row

/** @type {(text: string) => string} */
const cut = (text) => (text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text);
/** @type {(time: string) => string} */
const moment = (time) => new Date(time).toLocaleString([], { hour12: false });

// <letter-table> lists dead letters. It emits "open" (detail: the number) and "select" when the selection has changed.
export class LetterTable extends HTMLElement {
  #body = make("tbody");
  #all = make("input", { type: "checkbox", "aria-label": "Select all that are shown" });
  /** @type {Letter[]} */
  #letters = [];
  #selectable = false;

  /** @type {Set<number>} */
  selected = new Set();

  connectedCallback() {
    const names = ["Number", "Time", "Component", "Reason", "Attempts", "Key", "ID", "Payload"];
    this.replaceChildren(make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Dead letters" },
      make("table", {}, make("thead", {}, make("tr", {}, make("th", { class: "choice" }, this.#all), ...names.map((name) => make("th", { scope: "col" }, name)))), this.#body)));
    this.#all.addEventListener("change", () => {
      for (const { number } of this.#letters) this.#choose(number, this.#all.checked);
      this.#render();
      this.#emit("select");
    });
  }

  /**
   * show lists letters, the newest first. With selectable, they can be selected.
   * @param {Letter[]} letters
   * @param {boolean} selectable
   */
  show(letters, selectable) {
    this.#letters = letters;
    this.#selectable = selectable;
    for (const number of this.selected) if (!letters.some((letter) => letter.number === number)) this.selected.delete(number);
    this.#render();
  }

  /**
   * @param {number} number
   * @param {boolean} chosen
   */
  #choose(number, chosen) {
    if (chosen) this.selected.add(number);
    else this.selected.delete(number);
  }

  /**
   * @param {string} name
   * @param {number} [detail]
   */
  #emit(name, detail) { this.dispatchEvent(new CustomEvent(name, { detail })); }

  #render() {
    this.#all.hidden = !this.#selectable;
    this.#all.checked = this.#letters.length > 0 && this.selected.size === this.#letters.length;
    this.#body.replaceChildren(...this.#letters.map((letter) => this.#row(letter)));
  }

  /** @param {Letter} letter */
  #row(letter) {
    const open = make("button", { class: "link", title: "Open" }, letter.number);
    open.addEventListener("click", () => this.#emit("open", letter.number));
    const choice = make("input", { type: "checkbox", "aria-label": `Select the dead letter ${letter.number}` });
    choice.checked = this.selected.has(letter.number);
    choice.hidden = !this.#selectable;
    choice.addEventListener("change", () => {
      this.#choose(letter.number, choice.checked);
      this.#all.checked = this.selected.size === this.#letters.length;
      this.#emit("select");
    });
    /** @type {(text: string | number, name?: string) => HTMLElement} */
    const cell = (text, name = "") => make("td", name ? { class: name } : {}, text);
    return make("tr", { "data-number": letter.number }, make("td", { class: "choice" }, choice), make("td", {}, open), cell(moment(letter.time)), cell(letter.component, "component"),
      make("td", { class: "reason", title: letter.reason }, cut(letter.reason)), cell(letter.attempts, "number"), cell(letter.key ?? ""), cell(letter.id ?? ""),
      make("td", {}, make("code", {}, letter.hidden ?? cut(letter.data))));
  }
}

customElements.define("letter-table", LetterTable);
