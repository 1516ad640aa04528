import { clock, make, plain, throttle } from "../dom.js";

const MAX_ROWS = 50; // shown
const MAX_ORDERS = 500; // in memory

// <order-table> shows the current orders, the latest change on top, with a color and a label
// by operation.
export class OrderTable extends HTMLElement {
  #orders = new Map(); // by id, the latest change last
  #changed = new Set(); // ids that changed since the last frame
  #rows = new Map();
  #body;
  #draw = throttle(() => this.#render());

  connectedCallback() {
    const head = make("tr", {}, ...["Change", "Order", "Customer", "Product", "Status"].map((t) => make("th", { scope: "col" }, t)),
      make("th", { scope: "col", class: "number" }, "Amount"), make("th", { scope: "col" }, "Published"));
    this.#body = make("tbody");
    this.replaceChildren(make("table", {}, make("thead", {}, head), this.#body), make("p", { class: "empty" }));
    this.clear();
  }

  // hint is the text while there are no orders.
  set hint(text) { this.querySelector(".empty").textContent = text; }

  // change records a message. text is its JSON.
  change(message, text) {
    const given = message.order?.id;
    const id = typeof given === "string" || typeof given === "number" ? given : plain(given ?? message.order);
    this.#orders.delete(id);
    this.#orders.set(id, text);
    this.#changed.add(id);
    if (this.#orders.size > MAX_ORDERS) this.#orders.delete(this.#orders.keys().next().value);
    this.#draw();
  }

  clear() {
    this.#orders.clear();
    this.#changed.clear();
    this.#draw();
  }

  #render() {
    const shown = [...this.#orders].slice(-MAX_ROWS).reverse();
    const rows = new Map();
    for (const [id, text] of shown) {
      const row = this.#changed.has(id) || !this.#rows.has(id) ? this.#safeRow(id, text) : this.#rows.get(id);
      if (!this.#changed.has(id)) row.classList.remove("fresh");
      rows.set(id, row);
    }
    this.#rows = rows;
    this.#changed.clear();
    this.#body.replaceChildren(...rows.values());
    this.querySelector("table").hidden = shown.length === 0;
    this.querySelector(".empty").hidden = shown.length > 0;
  }

  // #safeRow returns a row for a message, or one with the error: one such payload must not prevent
  // the drawing of the others.
  #safeRow(id, text) {
    try {
      return this.#row(exact(text));
    } catch (err) {
      return make("tr", { class: "fresh" }, make("td", { colspan: 7 }, `Order ${String(id).slice(0, 100)} cannot be shown: ${err.message}`));
    }
  }

  #row({ operation, order, _published_at: published }) {
    const at = new Date(typeof published === "string" || typeof published === "number" ? published : NaN);
    const cells = [order?.id, order?.customer_name, order?.product_name, order?.status].map((v) => make("td", { title: plain(v) }, plain(v)));
    return make("tr", { "data-operation": plain(operation), class: "fresh" },
      make("td", {}, make("span", { class: "badge" }, plain(operation))), ...cells,
      make("td", { class: "number" }, plain(order?.amount)),
      make("td", { title: plain(published) }, isNaN(at) ? "" : clock(at)));
  }
}

// exact parses JSON. Numbers that JavaScript would format differently (5.30, 9007199254740993)
// become text, in browsers with source text access.
const exact = (json) => JSON.parse(json, (_, value, context) =>
  typeof value === "number" && context?.source !== undefined && context.source !== String(value) ? context.source : value);

customElements.define("order-table", OrderTable);
