import { request, RequestError } from "../api/request.js";
import { serverSentEvents } from "../api/server-sent-events.js";

const LIMIT = 5; // events per second: more cannot be read
const SILENCE = 6000; // milliseconds; the gateway sends counts every two seconds
const RETRY = 3000; // milliseconds

// TapStream reads what passes a component, while start has been called and the tab is visible. It connects again after a failure, but not
// if the gateway refuses the place or the filter.
//
// Events: "begin", for each connection; "item" (detail: an Item), "counts" (detail: Counts), "state" (detail: {text, wrong}).
export class TapStream extends EventTarget {
  #query = "";
  /** @type {AbortController | null} */
  #abort = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  constructor() {
    super();
    document.addEventListener("visibilitychange", () => {
      if (!this.#query) return;
      if (document.hidden) this.#end("Paused while this tab is hidden");
      else if (!this.#abort) this.#connect();
    });
  }

  /**
   * start begins to watch a place, instead of the former one.
   * @param {string} at such as "route.publish"
   * @param {string} filter an expression, "" for all
   */
  start(at, filter) {
    this.#query = `at=${encodeURIComponent(at)}&limit=${LIMIT}${filter && `&filter=${encodeURIComponent(filter)}`}`;
    this.#connect();
  }

  stop() {
    this.#query = "";
    this.#end("Stopped");
  }

  /** @param {string} text */
  #end(text) {
    clearTimeout(this.#timer);
    this.#abort?.abort();
    this.#abort = null;
    this.#report(text);
  }

  async #connect() {
    this.#end("Connecting…");
    const abort = (this.#abort = new AbortController());
    let why = "the connection has ended", again = true;
    try {
      this.#listen(abort);
      const response = await request(`api/tap?${this.#query}`, { signal: abort.signal, timeout: 24 * 3600_000 });
      this.#report("Connected");
      this.dispatchEvent(new Event("begin"));
      for await (const { name, data } of serverSentEvents(/** @type {ReadableStream<Uint8Array>} */ (response.body))) {
        if (this.#abort !== abort) return;
        this.#listen(abort);
        if (name === "end") why = data.reason;
        else this.dispatchEvent(new CustomEvent(name === "event" ? "item" : "counts", { detail: data }));
      }
    } catch (err) {
      why = err instanceof Error && err.name !== "AbortError" ? err.message : "the gateway is silent";
      again = !(err instanceof RequestError && [400, 403, 404].includes(err.status));
    }
    if (this.#abort !== abort) return; // stop, or another start
    this.#end(again ? `Not connected, connecting again: ${why}` : why);
    this.#report(again ? `Not connected, connecting again: ${why}` : why, true);
    if (again && this.#query) this.#timer = setTimeout(() => this.#connect(), RETRY);
  }

  /**
   * #listen ends a connection on which nothing comes for a while.
   * @param {AbortController} abort
   */
  #listen(abort) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => abort.abort(), SILENCE);
  }

  /** @param {string} text */
  #report(text, wrong = false) { this.dispatchEvent(new CustomEvent("state", { detail: { text, wrong } })); }
}
