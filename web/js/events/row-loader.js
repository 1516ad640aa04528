import { make } from "../dom.js";

/** RowLoader lets the user load the rows of a table that exist already, where the gateway offers them. */
export class RowLoader {
  #offered = "";
  #added;
  #state = make("span", { role: "status" });
  #select = make("select", { "aria-label": "Table whose rows are loaded" });
  #button = make("button", { title: "The first 500 rows that exist, beside those that change" }, "Load rows");

  element = make("p", { class: "row-loader", hidden: "" }, this.#button, this.#select, this.#state);

  /** @type {(table: string) => Promise<string[]>} */
  load = async () => [];

  /** @param {(payloads: string[]) => number} added gets the payloads of the rows, and returns how many are new */
  constructor(added) {
    this.#added = added;
    this.#button.addEventListener("click", () => this.#run(this.#select.value));
  }

  /** @param {string[]} tables */
  offer(tables) {
    if (tables.join() === this.#offered) return;
    this.#offered = tables.join();
    this.element.hidden = tables.length === 0;
    this.#select.hidden = tables.length === 1;
    this.#button.textContent = tables.length === 1 ? `Load the rows of ${tables[0]}` : "Load the rows of";
    this.#select.replaceChildren(...tables.map((name) => make("option", {}, name)));
  }

  /** @param {string} table */
  async #run(table) {
    this.#button.disabled = true;
    this.#state.textContent = "Loading…";
    try {
      const rows = await this.load(table);
      this.#state.textContent = `${this.#added(rows)} of ${rows.length} rows have no event here, and are shown last.`;
    } catch (err) {
      this.#state.textContent = `The rows cannot be loaded: ${/** @type {Error} */ (err).message}`;
    }
    this.#button.disabled = false;
  }
}
