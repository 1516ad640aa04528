import { messageOf, request } from "../api/request.js";
import { make } from "../dom.js";

/** @typedef {import("../../types/api.js").ClientView} Client */

// <client-detail> shows one client with its subscriptions, and disconnects it. It sends the event disconnected afterwards.
export class ClientDetail extends HTMLElement {
  #path = "";
  /** @type {Client | null} */
  #client = null;
  #reason = /** @type {HTMLInputElement} */ (make("input", { type: "text", maxlength: "100", placeholder: "an operator has disconnected this client" }));
  #again = /** @type {HTMLInputElement} */ (make("input", { type: "checkbox" }));
  #button = /** @type {HTMLButtonElement} */ (make("button", { type: "submit" }, "Disconnect"));
  #result = make("p", { role: "status", class: "result" });

  /** @param {string} sink @param {Client} client */
  constructor(sink, client) {
    super();
    this.#client = client;
    this.#path = `api/components/sink/${encodeURIComponent(sink)}/clients/${encodeURIComponent(client.id)}/disconnect`;
  }

  connectedCallback() {
    const c = this.#client;
    if (!c || this.firstChild) return;
    const form = make("form", {}, make("label", {}, "Reason, which the client gets ", this.#reason), make("label", { class: "check" }, this.#again, " It may connect again by itself"), this.#button, this.#result);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#disconnect();
    });
    this.append(
      section("Client", listOf([["Address", c.address], ["Subject", c.subject], ["Program", c.user_agent], ["Protocol", c.protocol], ["Connected since", new Date(c.since).toLocaleString()],
        ["Lag", `${c.lag_events.toLocaleString("en")} events, ${bytes(c.lag_bytes)}`], ["Sent", bytes(c.sent_bytes)]])),
      section(`Subscriptions (${c.subscription_count})`, c.subscriptions.length === 0 ? make("p", {}, "None.") : make("table", {},
        make("thead", {}, make("tr", {}, ...["ID", "Channels", "Filter"].map((title) => make("th", { scope: "col" }, title)))),
        make("tbody", {}, ...c.subscriptions.map(({ id, channels, filter }) => make("tr", {}, make("td", {}, id || "–"), make("td", {}, channels.join(", ") || "all"), make("td", {}, filter ?? "–")))))),
      section("Disconnect", form));
  }

  async #disconnect() {
    this.#button.disabled = true;
    const query = new URLSearchParams({ reconnect: String(this.#again.checked), ...(this.#reason.value ? { reason: this.#reason.value } : {}) });
    try {
      await request(`${this.#path}?${query}`, { method: "POST" });
      this.#result.textContent = "The client is disconnected.";
      this.dispatchEvent(new Event("disconnected"));
    } catch (err) {
      this.#button.disabled = false;
      this.#result.textContent = messageOf(err);
    }
  }
}

/** @param {string} title @param {...Node} content */
const section = (title, ...content) => make("section", {}, make("h3", {}, title), ...content);

/** @param {[string, any][]} pairs */
const listOf = (pairs) => make("dl", {}, ...pairs.filter(([, value]) => value !== undefined && value !== "")
  .flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));

/**
 * bytes formats a number of bytes.
 * @param {number} n
 */
export function bytes(n) {
  for (const [unit, size] of /** @type {[string, number][]} */ ([["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]])) {
    if (n >= size) return `${(n / size).toFixed(1)} ${unit}`;
  }
  return `${n} B`;
}

customElements.define("client-detail", ClientDetail);
