import { make, throttle } from "../dom.js";
import { drawItem } from "./tap-item.js";
import { TapStream } from "./tap-stream.js";

/** @import { Counts, Item } from "../../types/api.js" */

const MAX_SHOWN = 30;

// <tap-view> shows the events that pass one component, live: what comes in, what each transform changes, and what becomes of it. It costs
// the gateway something only while watching is set.
export class TapView extends HTMLElement {
  #stream = new TapStream();
  #filter = make("input", { type: "text", placeholder: "order.amount > 100", spellcheck: "false", autocapitalize: "off", autocomplete: "off" });
  #pause = make("button", { type: "button", "aria-pressed": "false" }, "Pause");
  #state = make("p", { role: "status", class: "state" });
  #counts = make("p", { class: "counts" });
  #list = make("ol");
  /** @type {Item[]} */
  #pending = []; // not drawn yet
  #shown = 0;
  #watching = false;
  #draw = throttle(() => this.#render());

  at = ""; // the place, such as "route.publish"

  constructor() {
    super();
    this.#stream.addEventListener("begin", () => { this.#shown = 0; }); // as the gateway counts from there on
    this.#stream.addEventListener("item", (event) => this.#add(/** @type {CustomEvent<Item>} */ (event).detail));
    this.#stream.addEventListener("counts", (event) => this.#count(/** @type {CustomEvent<Counts>} */ (event).detail));
    this.#stream.addEventListener("state", (event) => {
      const { text, wrong } = /** @type {CustomEvent<{text: string, wrong: boolean}>} */ (event).detail;
      this.#state.textContent = text;
      this.#state.classList.toggle("error", wrong);
    });
    this.#pause.addEventListener("click", () => {
      this.#pause.setAttribute("aria-pressed", String(!this.#paused));
      this.#draw();
    });
  }

  connectedCallback() {
    if (this.firstChild) return;
    const form = make("form", { class: "filters" }, make("label", {}, "Filter ", this.#filter), make("button", {}, "Apply"), this.#pause);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#restart();
    });
    this.append(form, this.#state, this.#counts, this.#list);
  }

  get #paused() { return this.#pause.getAttribute("aria-pressed") === "true"; }

  // watching is set while the view is visible.
  set watching(/** @type {boolean} */ is) {
    if (is === this.#watching) return;
    this.#watching = is;
    if (is) this.#restart();
    else this.#stream.stop();
  }

  #restart() {
    this.#pending = [];
    this.#list.replaceChildren();
    this.#counts.textContent = "";
    this.#stream.start(this.at, this.#filter.value.trim());
  }

  /** @param {Item} item */
  #add(item) {
    this.#pending.push(item);
    if (this.#pending.length > MAX_SHOWN) this.#pending.shift();
    this.#shown++;
    this.#draw();
  }

  /** @param {Counts} counts */
  #count({ seen, skipped, filtered }) {
    const parts = [`${seen.toLocaleString("en")} have passed`, filtered > 0 && `${filtered.toLocaleString("en")} do not match the filter`,
      `${this.#shown.toLocaleString("en")} shown`, skipped > 0 && `${skipped.toLocaleString("en")} skipped: this is a sample`];
    this.#counts.textContent = parts.filter(Boolean).join(", ");
  }

  #render() {
    if (this.#paused) return;
    this.#list.prepend(...this.#pending.splice(0).reverse().map(drawItem));
    while (this.#list.childElementCount > MAX_SHOWN) this.#list.lastElementChild?.remove();
  }
}

customElements.define("tap-view", TapView);
