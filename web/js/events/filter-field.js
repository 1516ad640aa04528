import { make } from "../dom.js";

/**
 * FilterField is the field for an expression, which the gateway evaluates for each event.
 *
 * Event: "filter" (detail: the expression; "" for none).
 */
export class FilterField extends EventTarget {
  #input = make("input", { id: "filter", spellcheck: "false", autocomplete: "off", placeholder: "order.amount > 100", "aria-describedby": "filter-state" });
  #state = make("p", { id: "filter-state", role: "status" });
  #remove = make("button", { type: "button", hidden: "" }, "Remove");

  element = make("form", { class: "filter" }, make("label", { for: "filter" }, "Filter"), this.#input, make("button", {}, "Apply"), this.#remove, this.#state);

  constructor() {
    super();
    this.element.addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#request(this.#input.value.trim());
    });
    this.#remove.addEventListener("click", () => {
      this.#input.value = "";
      this.#request("");
      this.#input.focus();
    });
  }

  /** Shows that the gateway has accepted the filter. @param {string} filter */
  accepted(filter) {
    this.#show(filter ? "The gateway sends the events that meet the filter." : "", false);
    this.#remove.hidden = filter === "";
  }

  /** Shows why the gateway has refused the filter. @param {string} reason */
  refused(reason) { this.#show(reason, true); }

  /** @param {string} filter */
  #request(filter) {
    this.#show("…", false);
    this.dispatchEvent(new CustomEvent("filter", { detail: filter }));
  }

  /** @param {string} text @param {boolean} wrong */
  #show(text, wrong) {
    this.#state.textContent = text;
    this.#input.setAttribute("aria-invalid", String(wrong));
  }
}
