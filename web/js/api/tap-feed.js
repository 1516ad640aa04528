/** @import { Item, View } from "../../types/api.js" */
import { messageOf } from "./request.js";
import { serverSentEvents } from "./server-sent-events.js";

const LIMIT = 20; // events per second, the most of a tap
const SILENCE = 5000; // milliseconds; the gateway sends counts every two seconds
const RETRY = 3000; // milliseconds before the next attempt
const HIDDEN = 60_000; // milliseconds for which the page is hidden before it gives up its place, because a gateway has few

// TapFeed receives a sample of the events that a route sends to its sinks, by GET api/tap. It has the events of EventFeed, and
// "counts" (detail: {seen, skipped}).
export class TapFeed extends EventTarget {
  #route = "";
  #filter = "";
  #answered = ""; // the last filter that the gateway has accepted
  #abort = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #hiding;

  /** @type {{ state: string, text: string, why?: string }} */
  connection = { state: "connecting", text: "Connecting…" };
  lastMessageAt = 0;

  constructor() {
    super();
    document.addEventListener("visibilitychange", () => {
      clearTimeout(this.#hiding);
      if (document.hidden) this.#hiding = setTimeout(() => this.#end("Paused while the page is hidden"), HIDDEN);
      else if (this.#route && this.connection.state !== "connected") this.reconnect();
    });
  }

  // watch shows the events of a route; "" ends.
  /** @param {string} route */
  watch(route) {
    if (route === this.#route) return;
    this.#route = route;
    if (route) this.reconnect();
    else this.#end("Closed");
  }

  // filter shows only the events that meet an expression; "" for all.
  /** @param {string} filter */
  filter(filter) {
    this.#filter = filter;
    this.reconnect();
  }

  // reconnect ends the connection, and connects again at once.
  async reconnect() {
    if (!this.#route) return;
    this.#drop();
    const { signal } = (this.#abort = new AbortController());
    const isSilent = this.connection.state === "silent";
    if (!isSilent) this.#setState("connecting", "Connecting…");
    let why = "";
    try {
      why = await this.#read(signal);
    } catch (err) {
      why = messageOf(err);
    }
    if (signal !== this.#abort.signal || signal.aborted && !signal.reason?.silent) return; // another connection has begun, or none is wanted
    clearTimeout(this.#timer);
    if (signal.aborted) this.#setState("silent", "No response: reconnecting");
    else if (!isSilent || this.connection.state === "connected") this.#setState("disconnected", `Disconnected (${why})`, why);
    this.#timer = setTimeout(() => this.reconnect(), signal.aborted ? 0 : RETRY);
  }

  // ping measures a round trip to the gateway. It reports whether there is a connection.
  ping() {
    if (this.connection.state !== "connected") return false;
    const begin = performance.now();
    fetch("healthz", { cache: "no-store", redirect: "error", signal: AbortSignal.timeout(SILENCE) })
      .then(() => this.#emit("pong", performance.now() - begin), () => {});
    return true;
  }

  /** @param {string} text */
  #end(text) {
    this.#drop();
    this.#setState("disconnected", text);
  }

  #drop() {
    clearTimeout(this.#timer);
    this.#abort.abort();
  }

  // #read reads the events until the stream ends, and returns why it has.
  /** @param {AbortSignal} signal @returns {Promise<string>} */
  async #read(signal) {
    this.#listen();
    const filter = this.#filter;
    const query = new URLSearchParams({ at: `route.${this.#route}`, limit: String(LIMIT), ...(filter && { filter }) });
    const response = await fetch(`api/tap?${query}`, { signal, cache: "no-store", redirect: "error" });
    if (response.status === 400 && filter !== this.#answered) {
      this.#filter = this.#answered;
      this.#emit("filter-refused", (await response.text()).trim());
      return this.#read(signal);
    }
    if (response.ok && filter !== this.#answered) {
      this.#answered = filter;
      this.#emit("filtered", filter);
    }
    if (!response.ok || !response.body) return (await response.text()).trim() || `the gateway answers ${response.status}`;
    this.#setState("connected", "Connected, sampled");
    for await (const { name, data } of serverSentEvents(response.body)) {
      this.#listen();
      if (name === "event") this.#show(data);
      else if (name === "counts") this.#emit("counts", data);
      else if (name === "end") return data.reason;
    }
    return "the gateway has ended the connection";
  }

  // #listen ends the connection if nothing comes for a while.
  #listen() {
    this.lastMessageAt = performance.now();
    clearTimeout(this.#timer);
    const abort = this.#abort;
    this.#timer = setTimeout(() => abort.abort({ silent: true }), SILENCE);
  }

  // #show passes on what the sinks get.
  /** @param {Item} item */
  #show({ outcome, events, steps = [] }) {
    if (outcome !== "sent") return;
    const last = Math.max(...steps.map(({ stage }) => stage));
    const sent = steps.length > 0 ? steps.filter(({ stage }) => stage === last).flatMap(({ after }) => after) : events;
    for (const view of sent) this.#emit("message", { payload: payloadOf(view), attributes: attributesOf(view), left: false });
  }

  /**
   * @param {string} state
   * @param {string} text
   */
  #setState(state, text, why = "") {
    this.connection = { state, text, why };
    this.#emit("state", this.connection);
  }

  /**
   * @param {string} name
   * @param {any} detail
   */
  #emit(name, detail) { this.dispatchEvent(new CustomEvent(name, { detail })); }
}

/** @param {View} view */
const attributesOf = ({ channel, key, id, source, time, attrs }) => ({ channel, key, id, source, time, attrs });

// payloadOf returns the payload of an event as EventFeed does: as text, or as a Blob if it is not UTF-8.
/** @param {View} view */
function payloadOf({ payload, encoding, hidden }) {
  if (hidden) return `hidden: ${hidden}`;
  if (encoding !== "base64") return payload;
  return new Blob([Uint8Array.from(atob(payload), (c) => c.charCodeAt(0))]);
}
