import { request } from "../api/request.js";
import { clock, make } from "../dom.js";
import { pageOccurrences } from "./page-occurrences.js";

/** @typedef {import("../../types/api.js").Occurrence} Occurrence */

const MAX_SHOWN = 300;
const MAX_KEPT = 2000;
/** @type {Record<string, string>} */
const SHAPES = { info: "●", problem: "▲", recovery: "✓" };

// <timeline-view> shows what has happened to the gateway, the latest first. What has happened before a restart of the gateway stays
// as long as the page is open.
class TimelineView extends HTMLElement {
  #next = "";
  #busy = false;
  #now = 0; // of the gateway, in milliseconds
  /** @type {Map<string, {occurrence: Occurrence, element?: HTMLElement}>} */
  #kept = new Map(); // by the run of the gateway and the number
  #kind = /** @type {HTMLSelectElement} */ (make("select"));
  #component = /** @type {HTMLSelectElement} */ (make("select"));
  #list = make("ol");
  #note = make("p", { class: "empty" });

  connectedCallback() {
    if (this.firstChild) return;
    this.append(make("div", { class: "filters" }, make("label", {}, "Kind ", this.#kind), make("label", {}, "Component ", this.#component)), this.#list, this.#note);
    for (const select of [this.#kind, this.#component]) select.addEventListener("change", () => this.#render());
  }

  /**
   * show fetches what has happened since the last status.
   * @param {import("../../types/api.js").Overview} status
   */
  async show({ timeline, now }) {
    this.#now = Date.parse(now);
    if (timeline === this.#next || this.#busy) {
      this.#addOwn();
      return;
    }
    this.#busy = true;
    try {
      /** @type {import("../../types/api.js").TimelinePage} */
      const page = await (await request(`api/timeline?since=${encodeURIComponent(this.#next)}`)).json();
      this.#next = page.next;
      const run = page.next.split("-")[0];
      for (const occurrence of page.occurrences) this.#keep(`${run} ${occurrence.number}`, occurrence);
      this.#addOwn();
      this.#render();
    } catch {
      // the next status tries again
    } finally {
      this.#busy = false;
    }
  }

  #addOwn() {
    const before = this.#kept.size;
    for (const occurrence of pageOccurrences()) this.#keep(`page ${occurrence.number}`, occurrence);
    if (this.#kept.size !== before) this.#render();
  }

  /**
   * @param {string} key
   * @param {Occurrence} occurrence
   */
  #keep(key, occurrence) {
    if (!this.#kept.has(key)) this.#kept.set(key, { occurrence });
    if (this.#kept.size > MAX_KEPT) this.#kept.delete(/** @type {string} */ (this.#kept.keys().next().value));
  }

  #render() {
    const all = [...this.#kept.values()].sort((a, b) => Date.parse(b.occurrence.time) - Date.parse(a.occurrence.time) || b.occurrence.number - a.occurrence.number);
    offer(this.#kind, "all kinds", all.map(({ occurrence }) => occurrence.kind));
    offer(this.#component, "all components", all.map(({ occurrence }) => occurrence.component));
    const [kind, component] = [this.#kind.value, this.#component.value];
    const matching = all.filter(({ occurrence: o }) => (!kind || o.kind === kind) && (!component || o.component === component));
    const shown = matching.slice(0, MAX_SHOWN);
    this.#list.replaceChildren(...shown.map((kept) => (kept.element ??= this.#draw(kept.occurrence))));
    this.#note.hidden = shown.length === matching.length && shown.length > 0;
    this.#note.textContent = shown.length === 0 ? "Nothing has happened yet." : `Only the latest ${shown.length} of ${matching.length} are shown.`;
  }

  /** @param {Occurrence} occurrence */
  #draw({ time, component, kind, level, text }) {
    const at = new Date(time), today = at.toDateString() === new Date(this.#now).toDateString();
    const place = /^(source|sink) \w+$/.test(component) ? make("a", { class: "name", href: `#component/${component.replace(" ", "/")}` }, component) : make("span", { class: "name" }, component);
    return make("li", { "data-level": level, "data-kind": kind },
      make("time", { datetime: time, title: time }, today ? clock(at) : `${at.toLocaleDateString()} ${clock(at)}`),
      make("span", { class: "badge" }, `${SHAPES[level] ?? "●"} ${kind}`), place, make("span", { class: "text" }, text));
  }
}

/**
 * offer makes values the options of a select, beside one for all of them.
 * @param {HTMLSelectElement} select
 * @param {string} all
 * @param {string[]} values
 */
function offer(select, all, values) {
  const names = ["", ...new Set(values)].sort(), chosen = select.value;
  if (names.length === select.options.length && names.every((name, i) => name === select.options[i].value)) return;
  select.replaceChildren(...names.map((name) => make("option", { value: name }, name || all)));
  select.value = names.includes(chosen) ? chosen : "";
}

customElements.define("timeline-view", TimelineView);
