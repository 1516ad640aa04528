import { request } from "../api/request.js";
import { make } from "../dom.js";

// <demo-bar> changes orders on the embedded PostgreSQL, and stops the embedded Redis for a while. Then the page shows queues fill and drain.
class DemoBar extends HTMLElement {
  #change = /** @type {HTMLButtonElement} */ (make("button", { id: "change" }, "Change an order"));
  #orders = /** @type {HTMLButtonElement} */ (make("button", { role: "switch", "aria-checked": "false" }, "10 orders a second"));
  #redis = /** @type {HTMLButtonElement} */ (make("button", {}, "Take Redis away for 10 s"));
  #note = make("span", { role: "status" });

  connectedCallback() {
    if (this.childElementCount > 0) return;
    this.#change.addEventListener("click", () => this.#do(""));
    this.#orders.addEventListener("click", () => this.#do(this.#orders.getAttribute("aria-checked") === "true" ? "stop" : "orders"));
    this.#redis.addEventListener("click", () => this.#do("redis"));
    this.append(make("span", {}, "Embedded servers, for a first look:"), this.#change, this.#orders, this.#redis, this.#note);
  }

  // show shows what of a status is under way.
  /** @param {any} status */
  show({ demo, demo_state: state, role, now }) {
    this.hidden = !state;
    if (!state) return;
    const left = (/** @type {string | undefined} */ until) => (until ? Math.max(0, Math.ceil((Date.parse(until) - Date.parse(now)) / 1000)) : 0);
    const [orders, redis] = [left(state.orders_until), left(state.redis_away_until)];
    const may = role === "admin";
    this.#change.hidden = this.#orders.hidden = !demo;
    this.#orders.setAttribute("aria-checked", String(orders > 0));
    this.#redis.hidden = !state.redis;
    this.#redis.textContent = redis > 0 ? `Redis is back in ${redis} s` : "Take Redis away for 10 s";
    this.#change.disabled = this.#orders.disabled = !may;
    this.#redis.disabled = !may || state.redis_away_until !== undefined;
    for (const button of [this.#change, this.#orders, this.#redis]) button.title = may ? "" : "This needs the role admin";
    if (orders > 0) this.#orders.title = `It ends by itself in ${Math.ceil(orders / 60)} min`;
  }

  /** @param {string} what */
  async #do(what) {
    this.#note.textContent = "";
    try {
      await request(what ? `api/demo?do=${what}` : "api/demo", { method: "POST", headers: { "X-Gateway-Demo": "1" } });
      this.dispatchEvent(new Event("changed"));
    } catch (err) {
      this.#note.textContent = /** @type {Error} */ (err).message;
    }
  }
}

customElements.define("demo-bar", DemoBar);
