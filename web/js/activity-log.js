import { clock, make, soon } from "./dom.js";

const LINES = 100;

// <activity-log> shows what happened, the latest first.
export class ActivityLog extends HTMLElement {
  #pending = [];
  #list = make("ol");
  #draw = soon(() => this.#render());

  connectedCallback() { this.replaceChildren(this.#list); }

  // add notes a line: its label, and its text.
  add(label, text) {
    this.#pending.push({ at: new Date(), label, text });
    if (this.#pending.length > 2 * LINES) this.#pending.splice(0, LINES);
    this.#draw();
  }

  clear() {
    this.#pending = [];
    this.#list.replaceChildren();
  }

  #render() {
    const lines = this.#pending.slice(-LINES).reverse().map(({ at, label, text }) =>
      make("li", { "data-operation": label }, make("time", {}, clock(at)), make("span", { class: "badge" }, label),
        make("span", { class: "text" }, text.length > 500 ? `${text.slice(0, 500)}…` : text)));
    this.#pending = [];
    this.#list.prepend(...lines);
    while (this.#list.childElementCount > LINES) this.#list.lastElementChild.remove();
  }
}

customElements.define("activity-log", ActivityLog);
