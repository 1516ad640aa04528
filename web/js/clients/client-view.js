import { messageOf, request } from "../api/request.js";
import { make, short } from "../dom.js";
import { sideDrawer } from "../page/side-drawer.js";
import { formatDuration } from "../flow/component-list.js";
import { ClientDetail, bytes } from "./client-detail.js";

/** @typedef {import("../../types/api.js").ClientView} Client */
/** @typedef {import("../../types/api.js").ClientList} ClientList */
/** @typedef {import("../../types/api.js").Overview} Overview */

const PAGE = 100; // clients
const SEARCH_PAUSE = 300; // milliseconds after the last key

// hasClients reports whether a sink of a status has a list of clients.
export const hasClients = (/** @type {Overview} */ status) => status.sinks.some(listsClients);
const listsClients = (/** @type {Overview["sinks"][number]} */ sink) => Boolean(sink.lists?.includes("clients"));

// <client-view> shows the clients that are connected to a sink, page by page. One is opened in the drawer, and disconnected there. The first
// page is fetched again with each status; further pages are not, so that the list does not move.
class ClientView extends HTMLElement {
  #sink = /** @type {HTMLSelectElement} */ (make("select"));
  #search = /** @type {HTMLInputElement} */ (make("input", { type: "search", size: "28", placeholder: "address, subject or program" }));
  #total = make("span", { role: "status" });
  #filters = make("div", { class: "filters" }, make("label", {}, "Sink ", this.#sink), make("label", {}, "Search ", this.#search), this.#total);
  #rows = make("tbody");
  #table = make("table", {}, make("thead", {}, make("tr", {}, ...["Client", "Subject", "Connected", "Lag", "Sent", "Subscriptions", "Protocol", "Program"].map((title) => make("th", { scope: "col" }, title)))), this.#rows);
  #scroll = make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Clients" }, this.#table);
  #more = make("button", { hidden: "" }, "Show more");
  #note = make("p", { class: "empty" });
  #pages = 0;
  #asked = 0; // number of the latest request
  #next = "";
  #wanted = ""; // the sink to show with the next status
  #timer = 0;
  /** @type {Map<string, Client>} */
  #clients = new Map();

  connectedCallback() {
    if (this.firstChild) return;
    this.append(this.#filters, this.#scroll, this.#more, this.#note);
    this.#sink.addEventListener("change", () => this.#restart());
    this.#search.addEventListener("input", () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#restart(), SEARCH_PAUSE);
    });
    this.#more.addEventListener("click", () => this.#fetch(this.#next));
  }

  /** @param {Overview} status */
  show(status) {
    const names = status.sinks.filter(listsClients).map((sink) => sink.name), chosen = this.#sink.value;
    if (names.join() !== [...this.#sink.options].map((option) => option.value).join()) {
      this.#sink.replaceChildren(...names.map((name) => make("option", { value: name }, name)));
      this.#sink.value = names.includes(chosen) ? chosen : names[0] ?? "";
    }
    if (names.includes(this.#wanted)) this.#sink.value = this.#wanted;
    this.#wanted = "";
    if (this.#sink.value !== chosen) this.#restart();
    else if (this.#pages <= 1) this.#fetch("");
  }

  /**
   * follow shows the clients of a sink, or opens a client in the drawer.
   * @param {string} item the sink, and the ID of the client
   */
  follow(item) {
    const [sink, id] = item.split("/");
    if (id === undefined) {
      this.#wanted = sink;
      return;
    }
    const client = this.#clients.get(id);
    if (!client || sink !== this.#sink.value) return;
    const detail = new ClientDetail(sink, client);
    detail.addEventListener("disconnected", () => this.#restart());
    sideDrawer().open(`Client ${client.address}`, detail, `clients/${item}`);
  }

  #restart() {
    this.#pages = 0;
    this.#fetch("");
  }

  /** @param {string} after "" for the first page */
  async #fetch(after) {
    const sink = this.#sink.value, number = ++this.#asked;
    if (!sink) return;
    const query = new URLSearchParams({ limit: String(PAGE), after, search: this.#search.value });
    try {
      const list = /** @type {ClientList} */ (await (await request(`api/components/sink/${encodeURIComponent(sink)}/clients?${query}`)).json());
      if (number !== this.#asked) return; // another one was asked for
      if (after === "") this.#clients.clear();
      for (const client of list.clients) this.#clients.set(client.id, client);
      this.#pages = after === "" ? 1 : this.#pages + 1;
      this.#next = list.next ?? "";
      this.#draw(list);
    } catch (err) {
      this.#note.hidden = false;
      this.#note.textContent = `The clients cannot be shown: ${messageOf(err)}`;
    }
  }

  /** @param {ClientList} list */
  #draw({ sink, total, now }) {
    const rows = [...this.#clients.values()].map((client) => row(sink, client, Date.parse(now)));
    const focused = document.activeElement instanceof HTMLAnchorElement && this.#rows.contains(document.activeElement) ? document.activeElement.hash : "";
    this.#rows.replaceChildren(...rows);
    if (focused) /** @type {HTMLElement | undefined} */ ([...this.#rows.querySelectorAll("a")].find((a) => a.hash === focused))?.focus();
    const text = `${total.toLocaleString("en")} connected`;
    if (this.#total.textContent !== text) this.#total.textContent = text;
    this.#more.hidden = this.#next === "";
    this.#scroll.hidden = rows.length === 0;
    this.#note.hidden = rows.length > 0;
    this.#note.textContent = this.#search.value ? "No client has this in its address, subject or program." : "No client is connected.";
  }
}

/** @param {string} sink @param {Client} client @param {number} now */
function row(sink, client, now) {
  const { id, address, subject, since, lag_events: lag, lag_bytes: lagBytes, sent_bytes: sent, subscriptions, subscription_count: count, protocol, user_agent: agent = "" } = client;
  const first = subscriptions.flatMap(({ channels, filter }) => [...channels, filter ?? ""]).filter(Boolean).join(", ");
  return make("tr", {},
    make("td", {}, make("a", { href: `#clients/${encodeURIComponent(sink)}/${encodeURIComponent(id)}` }, address)),
    make("td", {}, subject ?? "–"),
    make("td", {}, make("time", { datetime: since, title: since }, formatDuration(now - Date.parse(since)))),
    make("td", { class: lag > 0 ? "lag" : "" }, lag > 0 ? `${short(lag)} events, ${bytes(lagBytes)}` : "none"),
    make("td", {}, bytes(sent)),
    make("td", { title: first }, count === 1 ? first || "all events" : String(count)),
    make("td", {}, protocol),
    make("td", { title: agent }, agent || "–"));
}

customElements.define("client-view", ClientView);
