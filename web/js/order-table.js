import { clock, make, soon } from "./dom.js";

const ROWS = 50; // that are shown
const KEPT = 500; // that are remembered

// <order-table> shows the orders as they are now, the latest change on top,
// coloured and labelled by what was done.
export class OrderTable extends HTMLElement {
  #orders = new Map(); // by id, the latest change last
  #fresh = new Set(); // ids that changed since the last frame
  #rows = new Map();
  #body;
  #draw = soon(() => this.#render());

  connectedCallback() {
    const head = make("tr", {}, ...["", "Order", "Customer", "Product", "Status"].map((t) => make("th", { scope: "col" }, t)),
      make("th", { scope: "col", class: "number" }, "Amount"), make("th", { scope: "col" }, "Published"));
    this.#body = make("tbody");
    this.replaceChildren(make("table", {}, make("thead", {}, head), this.#body), make("p", { class: "empty" }));
    this.clear();
  }

  // hint is what to do where there are no orders yet.
  set hint(text) { this.querySelector(".empty").textContent = text; }

  // change takes a message, and the text that it was parsed of.
  change(message, text) {
    const id = message.order?.id ?? JSON.stringify(message.order);
    this.#orders.delete(id);
    this.#orders.set(id, text);
    this.#fresh.add(id);
    if (this.#orders.size > KEPT) this.#orders.delete(this.#orders.keys().next().value);
    this.#draw();
  }

  clear() {
    this.#orders.clear();
    this.#fresh.clear();
    this.#draw();
  }

  #render() {
    const shown = [...this.#orders].slice(-ROWS).reverse();
    const rows = new Map();
    for (const [id, text] of shown) {
      const row = this.#fresh.has(id) || !this.#rows.has(id) ? this.#row(exact(text)) : this.#rows.get(id);
      if (!this.#fresh.has(id)) row.classList.remove("fresh");
      rows.set(id, row);
    }
    this.#rows = rows;
    this.#fresh.clear();
    this.#body.replaceChildren(...rows.values());
    this.querySelector("table").hidden = shown.length === 0;
    this.querySelector(".empty").hidden = shown.length > 0;
  }

  #row({ operation, order, _published_at: published }) {
    const at = new Date(published ?? NaN);
    const cells = [order?.id, order?.customer_name, order?.product_name, order?.status].map((v) => make("td", { title: text(v) }, text(v)));
    return make("tr", { "data-operation": operation, class: "fresh" },
      make("td", {}, make("span", { class: "badge" }, operation)), ...cells,
      make("td", { class: "number" }, text(order?.amount)),
      make("td", { title: text(published) }, isNaN(at) ? "" : clock(at)));
  }
}

// exact parses JSON so that numbers which JavaScript would write differently (5.30,
// 9007199254740993) are their text, in browsers that can tell.
const exact = (json) => JSON.parse(json, (_, value, context) =>
  typeof value === "number" && context?.source !== undefined && context.source !== String(value) ? context.source : value);

const text = (value) => (value !== null && typeof value === "object" ? JSON.stringify(value) : String(value ?? ""));

customElements.define("order-table", OrderTable);
