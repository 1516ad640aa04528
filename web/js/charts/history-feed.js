import { request } from "../api/request.js";

const LENGTH = 900; // seconds that the page has
const INTERVAL = 1000, RETRY = 5000; // milliseconds

/** @typedef {Record<string, (number | null)[]>} Figures by name: one for each second, the latest last */

// HistoryFeed has the figures of the last 15 minutes: those that the gateway has recorded, and each second the new ones. It asks only
// while something watches it and the tab is visible.
class HistoryFeed {
  /** @type {Set<() => void>} */
  #watchers = new Set();
  #next = "";
  #timer = 0;
  #asking = false;

  end = 0; // the time of the latest figures, in milliseconds since 1970 by the clock of the gateway
  count = 0; // of seconds
  /** @type {Figures} */
  total = {};
  /** @type {Record<string, Figures>} */
  components = {}; // by kind and name, as in "sink shop"

  constructor() {
    document.addEventListener("visibilitychange", () => this.#ask());
  }

  /**
   * watch calls changed when there are new figures, until the function that it returns is called.
   * @param {() => void} changed
   */
  watch(changed) {
    this.#watchers.add(changed);
    if (this.count > 0) changed();
    this.#ask();
    return () => { this.#watchers.delete(changed); };
  }

  async #ask() {
    clearTimeout(this.#timer);
    if (this.#asking || this.#watchers.size === 0 || document.hidden) return;
    this.#asking = true;
    let interval = INTERVAL, changes = false;
    try {
      /** @type {import("../../types/api.js").HistoryPage} */
      const page = await (await request(`api/history?since=${encodeURIComponent(this.#next)}`)).json();
      changes = page.count > 0;
      if (changes) this.#add(page);
    } catch {
      interval = RETRY; // the header of the page shows the problem
    }
    this.#asking = false;
    this.#timer = setTimeout(() => this.#ask(), interval);
    if (changes) for (const changed of this.#watchers) changed();
  }

  /** @param {import("../../types/api.js").HistoryPage} page */
  #add(page) {
    const run = this.#next.split("-")[0];
    let missing = 0; // seconds between the figures that are kept and the new ones
    if (page.whole) {
      missing = Math.round((page.start - this.end) / 1000) - 1;
      const restarted = run !== "" && run !== page.next.split("-")[0] && missing >= 0 && missing < LENGTH;
      if (!restarted) [this.total, this.components, this.count, missing] = [{}, {}, 0, 0];
    }
    const before = Math.min(this.count + missing, LENGTH);
    const end = page.start + (page.count - 1) * 1000;
    const names = new Set([...Object.keys(page.components), ...(page.whole ? Object.keys(this.components) : [])]); // a reload may have removed one
    this.total = joined(this.total, page.total, before, missing, page.count);
    this.components = Object.fromEntries([...names].map((name) => [name, joined(this.components[name] ?? {}, page.components[name] ?? {}, before, missing, page.count)]));
    [this.#next, this.end, this.count] = [page.next, end, Math.min(before + page.count, LENGTH)];
  }
}

/**
 * joined returns figures followed by missing ones and new ones.
 * @param {Figures} old
 * @param {Figures} more
 * @param {number} before how many seconds are before the new ones, with those that are missing
 * @param {number} missing
 * @param {number} count of the new ones
 * @returns {Figures}
 */
function joined(old, more, before, missing, count) {
  /** @param {number} n */
  const none = (n) => new Array(Math.max(n, 0)).fill(null);
  return Object.fromEntries([...new Set([...Object.keys(old), ...Object.keys(more)])].map((name) => {
    const kept = [...(old[name] ?? []), ...none(missing)].slice(-before || Infinity);
    return [name, [...none(before - kept.length), ...kept, ...(more[name] ?? none(count))].slice(-LENGTH)];
  }));
}

export const history = new HistoryFeed();
