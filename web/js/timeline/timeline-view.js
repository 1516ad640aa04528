import { gatewayTime } from "../api/gateway-clock.js";
import { clock, make } from "../dom.js";
import { timeline } from "./timeline-feed.js";

/** @typedef {import("../../types/api.js").Occurrence} Occurrence */

const MAX_SHOWN = 300;
/** @type {Record<string, string>} */
const SHAPES = { info: "●", problem: "▲", recovery: "✓" };

// <timeline-view> lists the occurrences of the gateway, the latest first.
class TimelineView extends HTMLElement {
  #kind = /** @type {HTMLSelectElement} */ (make("select"));
  #component = /** @type {HTMLSelectElement} */ (make("select"));
  #list = make("ol");
  #note = make("p", { class: "empty" });
  /** @type {WeakMap<Occurrence, HTMLElement>} */
  #drawn = new WeakMap();

  connectedCallback() {
    if (this.firstChild) return;
    this.append(make("div", { class: "filters" }, make("label", {}, "Kind ", this.#kind), make("label", {}, "Component ", this.#component)), this.#list, this.#note);
    for (const select of [this.#kind, this.#component]) select.addEventListener("change", () => this.show());
  }

  // show lists the occurrences of the feed.
  show() {
    const all = timeline.all();
    offer(this.#kind, "all kinds", all.map(({ kind }) => kind));
    offer(this.#component, "all components", all.map(({ component }) => component));
    const [kind, component] = [this.#kind.value, this.#component.value];
    const matching = all.filter((o) => (!kind || o.kind === kind) && (!component || o.component === component));
    const items = matching.slice(0, MAX_SHOWN).map((occurrence) => this.#itemOf(occurrence));
    if (items.length !== this.#list.children.length || items.some((item, i) => item !== this.#list.children[i])) this.#list.replaceChildren(...items);
    this.#note.hidden = items.length === matching.length && items.length > 0;
    this.#note.textContent = items.length === 0 ? "Nothing has happened yet." : `Only the latest ${items.length} of ${matching.length} are shown.`;
  }

  /** @param {Occurrence} occurrence */
  #itemOf(occurrence) {
    const item = this.#drawn.get(occurrence) ?? draw(occurrence);
    this.#drawn.set(occurrence, item);
    return item;
  }
}

/** @param {Occurrence} occurrence */
function draw({ time, component, kind, level, text }) {
  const at = new Date(time), today = at.toDateString() === new Date(gatewayTime()).toDateString();
  const place = /^(source|sink) \w+$/.test(component) ? make("a", { class: "name", href: `#component/${component.replace(" ", "/")}` }, component) : make("span", { class: "name" }, component);
  return make("li", { "data-level": level, "data-kind": kind },
    make("time", { datetime: time, title: time }, today ? clock(at) : `${at.toLocaleDateString()} ${clock(at)}`),
    make("span", { class: "badge" }, `${SHAPES[level] ?? "●"} ${kind}`), place, make("span", { class: "text" }, text));
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
