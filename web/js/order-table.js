import { clock, make, plain, soon } from "./dom.js";

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
    const given = message.order?.id;
    const id = typeof given === "string" || typeof given === "number" ? given : plain(given ?? message.order);
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
      const row = this.#fresh.has(id) || !this.#rows.has(id) ? this.#guarded(id, text) : this.#rows.get(id);
      if (!this.#fresh.has(id)) row.classList.remove("fresh");
      rows.set(id, row);
    }
    this.#rows = rows;
    this.#fresh.clear();
    this.#body.replaceChildren(...rows.values());
    this.querySelector("table").hidden = shown.length === 0;
    this.querySelector(".empty").hidden = shown.length > 0;
  }

  // #guarded makes a row of a message, or one that says why it cannot be shown: one such
  // payload must not keep the others from being drawn.
  #guarded(id, text) {
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

// exact parses JSON so that numbers which JavaScript would write differently (5.30,
// 9007199254740993) are their text, in browsers that can tell.
const exact = (json) => JSON.parse(json, (_, value, context) =>
  typeof value === "number" && context?.source !== undefined && context.source !== String(value) ? context.source : value);

customElements.define("order-table", OrderTable);
