import { keepToken, tokenOf } from "./client-token.js";
import { EventFeed } from "./event-feed.js";
import { TapFeed } from "./tap-feed.js";

const SENDABLE = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/; // as the name of a subprotocol, which is how a browser sends it

/** @typedef {import("../../types/api.d.ts").Overview} Overview */

// GatewayEvents receives the events of the gateway: from a WebSocket sink, or a sample of them from the tap of a route. It uses the tap if
//
//   - no sink is a websocket,
//   - the sink listens at another address than this page, as with http.admin.listen: it is another origin, and the tap is here already;
//   - or the sink needs a token that the user has not given.
//
// It has the events of EventFeed, and "source" (detail: the property source), if where the events come from has changed.
export class GatewayEvents extends EventTarget {
  #socket = new EventFeed();
  #tap = new TapFeed();
  /** @type {EventFeed | TapFeed} */
  #feed = this.#socket;
  #asked; // the address of ?ws=, "" if there is none
  #page; // the WebSocket URL of this page
  #url = ""; // of the sink, also while its token is missing
  #route = ""; // that the user has chosen for the tap
  /** @type {string[]} */
  #snapshots = [];
  #refusal = ""; // why the sink has refused the token

  // source is where the events come from: of a tap its route, the routes to choose from, and why it is a tap; and whether a token of the
  // user would help.
  source = { route: "", routes: /** @type {string[]} */ ([]), why: "", needsToken: false };

  /**
   * @param {string} asked
   * @param {string} page
   */
  constructor(asked, page) {
    super();
    this.#asked = asked;
    this.#page = page;
    const names = ["state", "message", "gap", "resumed", "welcome", "pong", "counts", "filtered", "filter-refused"];
    for (const feed of [this.#socket, this.#tap]) {
      for (const name of names) {
        feed.addEventListener(name, (event) => {
          if (feed === this.#feed) this.dispatchEvent(new CustomEvent(name, { detail: /** @type {CustomEvent} */ (event).detail }));
        });
      }
    }
    this.#socket.addEventListener("refused", (event) => this.#refused(/** @type {CustomEvent} */ (event).detail));
  }

  get connection() { return this.#feed.connection; }
  get lastMessageAt() { return this.#feed.lastMessageAt; }
  get exists() { return this.#feed === this.#tap || this.#socket.exists; }

  // url is the address of the events; "" if they come from a tap.
  get url() { return this.#feed === this.#socket ? this.#socket.url : ""; }

  // delay is how long events wait until the page reads them, in milliseconds; 0 if that is not known.
  get delay() { return this.#feed === this.#socket ? this.#socket.delay : 0; }

  // snapshots are the tables whose rows the sink offers.
  get snapshots() { return this.#feed === this.#socket ? this.#snapshots : []; }

  // rows returns the payloads of the first rows of such a table.
  /** @param {string} table */
  rows(table) { return this.#socket.rows(table); }

  // filter requests only the events that meet an expression; "" for all.
  /** @param {string} filter */
  filter(filter) { this.#feed.filter(filter); }

  reconnect() { this.#feed.reconnect(); }
  ping() { return this.#feed.ping(); }

  // follow connects to the sink or tap that a status selects: {sinks, routes, paths_here}.
  /** @param {Overview} status */
  follow(status) {
    if (this.#asked) return this.#watchSocket(this.#asked, "");
    const sockets = status.sinks.filter(({ paths = [] }) => paths.some(isFixed));
    const own = sockets.find(({ paths }) => paths?.includes("/")) ?? sockets[0]; // at the path of the page, if there is one
    const path = own?.paths?.includes("/") ? "." : `.${own?.paths?.find(isFixed)}`;
    this.#snapshots = own?.snapshots ?? [];
    this.#url = own && status.paths_here ? new URL(path, this.#page).href : "";
    const token = this.#url ? tokenOf(this.#url) : "";
    if (this.#url && (!own.needs_token || token)) return this.#watchSocket(this.#url, own.needs_token ? token : "");
    const why = this.#refusal ? `the sink ${own?.name} answers: ${this.#refusal}`
      : this.#url ? `the sink ${own.name} needs a token`
        : own ? `the sink ${own.name} listens at http.listen, which is another address than this page`
          : "no sink of this gateway is a websocket";
    this.#watchTap(status.routes, sockets.map(({ name }) => name), why);
  }

  // guess connects to the path of the page, because there is no status.
  guess() {
    if (this.exists) return;
    this.#url = this.#page;
    this.#watchSocket(this.#asked || this.#page, this.#asked ? "" : tokenOf(this.#page));
  }

  // choose shows the events of another route, if they come from a tap.
  /** @param {string} route */
  choose(route) {
    this.#route = route;
    this.#setSource({ ...this.source, route });
    this.#tap.watch(route);
  }

  // useToken connects to the sink with a token, which is stored for this tab. It returns an error text, or "".
  /** @param {string} token */
  useToken(token) {
    if (!SENDABLE.test(token)) return "A browser can send only letters, digits and !#$%&'*+-.^_`|~ in a token";
    keepToken(this.#url, token);
    this.#refusal = "";
    this.#watchSocket(this.#url, token);
    return "";
  }

  /**
   * @param {string} url
   * @param {string} token
   */
  #watchSocket(url, token) {
    this.#feed = this.#socket;
    this.#tap.watch("");
    this.#socket.watch(url, token);
    this.#setSource({ route: "", routes: [], why: this.#refusal, needsToken: this.#refusal !== "" });
  }

  /**
   * @param {Overview["routes"]} routes
   * @param {string[]} sockets names of the sinks that are websockets
   * @param {string} why
   */
  #watchTap(routes, sockets, why) {
    const names = routes.map(({ name }) => name);
    const last = routes.findLast(({ to }) => to.some((sink) => sockets.includes(sink))) ?? routes[routes.length - 1];
    const route = names.includes(this.#route) ? this.#route : last.name;
    this.#feed = this.#tap;
    this.#socket.watch("");
    this.#tap.watch(route);
    this.#setSource({ route, routes: names, why, needsToken: this.#url !== "" });
  }

  /** @param {{ status: number, reason: string }} refusal */
  #refused({ status, reason }) {
    this.dispatchEvent(new CustomEvent("state", { detail: this.#socket.connection }));
    if (this.#asked || status !== 401) return;
    keepToken(this.#url, "");
    this.#refusal = reason;
    this.#setSource({ ...this.source, why: reason, needsToken: true });
  }

  /** @param {GatewayEvents["source"]} source */
  #setSource(source) {
    if (JSON.stringify(source) === JSON.stringify(this.source)) return;
    this.source = source;
    this.dispatchEvent(new CustomEvent("source", { detail: source }));
  }
}

// isFixed reports whether a path has no wildcards.
/** @param {string} path */
const isFixed = (path) => !path.includes("{");
