import { parse } from "../../client/index.js";
import { make, plain } from "../dom.js";
import "./activity-log.js";
import "./order-table.js";

// <event-view> shows the events that arrive: orders in a table, and all in a log of activity.
class EventView extends HTMLElement {
  #orders = make("order-table");
  #log = make("activity-log");

  connectedCallback() {
    if (this.#orders.isConnected) return;
    this.append(make("section", { class: "card orders", "aria-labelledby": "orders-title" }, make("h2", { id: "orders-title" }, "Orders"), this.#orders),
      make("section", { class: "card activity", "aria-labelledby": "activity-title" }, make("h2", { id: "activity-title" }, "Activity"), this.#log));
  }

  // hint is the text while there are no events.
  set hint(text) { this.#orders.hint = text; }

  // add shows the payload of an event: a string or a Blob.
  add(payload) {
    if (typeof payload !== "string") {
      this.log("BINARY", `${payload.size} bytes`);
      return;
    }
    const message = parse(payload);
    const operation = typeof message?.operation === "string" ? message.operation : null;
    if (operation && message.order !== null && typeof message.order === "object") {
      this.#orders.change(message, payload);
      this.log(operation, `Order ${plain(message.order.id)} ${plain(message.order.customer_name)}`);
    } else {
      this.log(operation ?? (message === undefined ? "TEXT" : "JSON"), payload);
    }
  }

  // log shows a line of activity that is no event.
  log(label, text) { this.#log.add(label, text); }

  clear() {
    this.#orders.clear();
    this.#log.clear();
  }
}

customElements.define("event-view", EventView);
