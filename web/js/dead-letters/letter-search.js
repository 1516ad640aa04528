import { make } from "../dom.js";

const FIELDS = [
  ["q", "Payload or reason", "search", "text in the payload or the reason"],
  ["component", "Component", "search", "such as sink shop"],
  ["reason", "Reason", "search", "text in the reason"],
  ["key", "Key", "search", "the whole key"],
  ["id", "ID", "search", "the whole ID"],
  ["since", "From", "datetime-local", ""],
  ["until", "Until", "datetime-local", ""],
];

// <letter-search> has the fields of a search for dead letters. It emits "search" when the search is to begin.
export class LetterSearch extends HTMLElement {
  /** @type {Map<string, HTMLInputElement>} */
  #inputs = new Map();

  connectedCallback() {
    const form = make("form", { role: "search", "aria-label": "Dead letters" });
    for (const [name, label, type, hint] of FIELDS) {
      const input = make("input", { type, name, placeholder: hint, autocomplete: "off", spellcheck: "false" });
      this.#inputs.set(name, input);
      form.append(make("label", {}, make("span", {}, label), input));
    }
    form.append(make("button", { type: "submit", class: "primary" }, "Search"), make("button", { type: "reset" }, "Clear"));
    form.addEventListener("submit", (event) => { event.preventDefault(); this.#emit(); });
    form.addEventListener("reset", () => setTimeout(() => this.#emit())); // the fields are empty after the event
    this.replaceChildren(form);
  }

  // query returns the fields with values, by their names in the API.
  get query() {
    /** @type {Record<string, string>} */
    const query = {};
    for (const [name, { value, type }] of this.#inputs) {
      if (value !== "") query[name] = type === "datetime-local" ? new Date(value).toISOString() : value;
    }
    return query;
  }

  /**
   * set fills in a field, and searches.
   * @param {string} name
   * @param {string} value
   */
  set(name, value) {
    const input = this.#inputs.get(name);
    if (input) input.value = value;
    this.#emit();
  }

  #emit() { this.dispatchEvent(new CustomEvent("search")); }
}

customElements.define("letter-search", LetterSearch);
