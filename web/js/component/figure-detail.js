import { clock, make } from "../dom.js";
import { components } from "../flow/component-list.js";
import { timeline } from "../timeline/timeline-feed.js";
import { drawBooks, equationOf, sum } from "./books.js";

/** @import { Overview } from "../../types/api.js" */

/**
 * droppedBy returns what a component has dropped, by the reason; what its plugin has dropped has the name of the metric.
 * @param {any} component
 * @returns {Record<string, number>}
 */
function droppedBy({ dropped: own = {}, plugin = {} }) {
  const reasons = typeof own === "number" ? { "a transform failed": own } : own;
  const ofPlugin = Object.entries(plugin).filter(([name]) => name.endsWith("_dropped_total")).map(([name, n]) => [name.replace(/^gateway_(.*)_total$/, "$1").replaceAll("_", " "), n]);
  return Object.fromEntries([...Object.entries(reasons), ...ofPlugin].filter(([, n]) => n > 0));
}

/** @param {any} component */
const dropped = (component) => sum(droppedBy(component));

/** @param {any} component */
const lastError = ({ last_error: error, last_error_at: at }) => (error ? [error, at] : ["", ""]);

/** @param {any} component @param {string} kind */
function lastGap({ name }, kind) {
  const gap = timeline.all().find((o) => o.kind === "gap" && o.component === `${kind} ${name}`);
  return gap ? [gap.text, gap.time] : ["", ""];
}

/** @type {Record<string, {title: string, none: string, count: (component: any) => number, by?: (component: any) => Record<string, number>, last: (component: any, kind: string) => string[]}>} */
const FIGURES = {
  gaps: { title: "Gaps", none: "No gaps.", count: (c) => (c.gaps ?? 0) - (c.gaps_at_start ?? 0) + (c.gaps_passed_on ?? 0), by: (c) => ({ "passed on": c.gaps_passed_on ?? 0 }), last: lastGap },
  dropped: { title: "Dropped events", none: "Nothing was dropped.", count: dropped, by: droppedBy, last: lastError },
  parked: { title: "Dead letters", none: "No dead letters.", count: (c) => c.dead_lettered ?? 0, last: lastError },
};

// <figure-detail> shows what a key figure consists of: the components that have counted it, with the last reason of each; or the books of
// all components.
export class FigureDetail extends HTMLElement {
  #figure;
  #drawn = "";

  constructor(figure = "books") {
    super();
    this.#figure = figure;
  }

  get heading() { return FIGURES[this.#figure]?.title ?? "Every event is accounted for"; }

  /** @param {Overview} status */
  show(status) {
    const content = FIGURES[this.#figure] ? this.#list(status) : this.#books(status);
    const drawn = content.map((element) => element.textContent).join("\n");
    if (drawn === this.#drawn) return; // else the focus in it would be lost
    this.#drawn = drawn;
    this.replaceChildren(...content);
  }

  /** @param {Overview} status */
  #list(status) {
    const { none, count, by, last } = FIGURES[this.#figure];
    const all = /** @type {[string, any][]} */ ([...components(status)]).filter(([, component]) => count(component) > 0);
    if (all.length === 0) return [make("p", { class: "empty" }, none)];
    const link = this.#figure === "parked" ? [make("p", {}, make("a", { href: "#dead-letters" }, "Show the dead letters in memory"))] : [];
    return [make("ul", { class: "figure-list" }, ...all.map(([kind, component]) => {
      const [reason, at] = last(component, kind), reasons = Object.entries(by?.(component) ?? {}).filter(([, n]) => n > 0);
      return make("li", {}, make("p", {}, componentLink(kind, component.name), " ", make("b", {}, count(component).toLocaleString("en")),
        reasons.length > 0 ? ` (${reasons.map(([why, n]) => `${why}: ${n.toLocaleString("en")}`).join(", ")})` : ""),
      ...(reason ? [make("p", { class: "error" }, reason), make("p", { class: "at" }, `last at ${clock(new Date(at))}`)] : []));
    })), ...link];
  }

  /** @param {Overview} status */
  #books(status) {
    const broken = status.conservation_broken;
    return [make("p", { class: broken ? "warning" : "" }, broken ? `This is a bug in the gateway: ${broken}` : "What came into each component is equal to what became of it. Each count is of events; one that goes to two sinks counts in each."),
      make("ul", { class: "figure-list" }, .../** @type {[string, any][]} */ ([...components(status)]).map(([kind, component]) =>
        make("li", {}, make("p", {}, componentLink(kind, component.name)), drawBooks(kind, component), make("p", { class: "equation" }, equationOf(kind)))))];
  }
}

/**
 * @param {string} kind
 * @param {string} name
 */
const componentLink = (kind, name) => make("a", { href: `#component/${kind}/${name}` }, `${kind} ${name}`);

customElements.define("figure-detail", FigureDetail);
