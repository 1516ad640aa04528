import { make } from "../dom.js";
import { labelOf } from "./columns.js";

/** @typedef {import("./event-store.js").Tab} Tab */

/** The menu in which the user chooses the columns of a tab. */
export class ColumnMenu {
  #choice;
  #changed;
  #legend = make("legend", {}, "Columns that are shown");
  #fields = make("fieldset", {}, this.#legend);
  #shown = "";
  #summary = make("summary", {}, "Columns");

  element = make("details", { class: "columns" }, this.#summary, this.#fields);

  /** @param {import("./columns.js").ColumnChoice} choice @param {() => void} changed */
  constructor(choice, changed) {
    this.#choice = choice;
    this.#changed = changed;
    this.element.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== "Escape") return;
      this.element.open = false;
      this.#summary.focus();
    });
  }

  /** @param {Tab | null} tab */
  show(tab) {
    const all = tab ? this.#choice.all(tab) : [];
    this.element.hidden = all.length === 0;
    const signature = JSON.stringify([tab?.name, all]);
    if (!tab || signature === this.#shown) return;
    this.#shown = signature;
    const boxes = all.map((name) => {
      const box = make("input", { type: "checkbox" });
      box.checked = this.#choice.of(tab).includes(name);
      box.addEventListener("change", () => {
        this.#choice.choose(tab, name, box.checked);
        this.#changed();
      });
      return make("label", {}, box, ` ${labelOf(tab, name)}`);
    });
    const reset = make("button", {}, "As at first");
    reset.addEventListener("click", () => {
      this.#choice.reset(tab);
      this.#shown = "";
      this.#changed();
    });
    this.#fields.replaceChildren(this.#legend, ...boxes, reset);
  }
}
