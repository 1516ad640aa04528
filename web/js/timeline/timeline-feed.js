import { request } from "../api/request.js";
import { pageOccurrences } from "./page-occurrences.js";

/** @typedef {import("../../types/api.js").Occurrence} Occurrence */

const MAX_OCCURRENCES = 2000;

// TimelineFeed has the occurrences of the gateway. Those before a restart of the gateway stay as long as the page is open.
class TimelineFeed {
  #next = "";
  #busy = false;
  /** @type {Map<string, Occurrence>} */
  #occurrences = new Map(); // by the run of the gateway and the number

  // all returns the occurrences of the gateway and of this page, the latest first.
  all() {
    return [...this.#occurrences.values(), ...pageOccurrences()].sort((a, b) => Date.parse(b.time) - Date.parse(a.time) || b.number - a.number);
  }

  /**
   * update fetches the occurrences since the last status.
   * @param {{timeline: string}} status
   */
  async update({ timeline: next }) {
    if (next === this.#next || this.#busy) return;
    this.#busy = true;
    try {
      /** @type {import("../../types/api.js").TimelinePage} */
      const page = await (await request(`api/timeline?since=${encodeURIComponent(this.#next)}`)).json();
      const run = page.next.split("-")[0];
      for (const occurrence of page.occurrences) {
        this.#occurrences.set(`${run} ${occurrence.number}`, occurrence);
        if (this.#occurrences.size > MAX_OCCURRENCES) this.#occurrences.delete(/** @type {string} */ (this.#occurrences.keys().next().value));
      }
      this.#next = page.next;
    } catch {
      // the next status tries again
    } finally {
      this.#busy = false;
    }
  }
}

export const timeline = new TimelineFeed();
