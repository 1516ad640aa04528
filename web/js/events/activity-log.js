import { clock, make, throttle } from "../dom.js";

const MAX_LINES = 100;

// <activity-log> shows the latest activities, the newest first.
export class ActivityLog extends HTMLElement {
  #pending = [];
  #list = make("ol");
  #draw = throttle(() => this.#render());

  connectedCallback() {
    this.tabIndex = 0; // the keyboard can scroll it
    this.replaceChildren(this.#list);
  }

  // add adds a line with a label and a text.
  add(label, text) {
    this.#pending.push({ at: new Date(), label, text });
    if (this.#pending.length > 2 * MAX_LINES) this.#pending.splice(0, MAX_LINES);
    this.#draw();
  }

  clear() {
    this.#pending = [];
    this.#list.replaceChildren();
  }

  #render() {
    const lines = this.#pending.slice(-MAX_LINES).reverse().map(({ at, label, text }) =>
      make("li", { "data-operation": label }, make("time", {}, clock(at)), make("span", { class: "badge" }, label),
        make("span", { class: "text" }, text.length > 500 ? `${text.slice(0, 500)}…` : text)));
    this.#pending = [];
    this.#list.prepend(...lines);
    while (this.#list.childElementCount > MAX_LINES) this.#list.lastElementChild.remove();
  }
}

customElements.define("activity-log", ActivityLog);
