/** @import { Overview } from "../../types/api.js" */
import { sum } from "../component/books.js";
import { clock, make, short } from "../dom.js";

// The figures that open a drawer, with its address.
/** @type {Record<string, string>} */
const DETAILS = { Gaps: "gaps", "Gaps passed on": "gaps", Dropped: "dropped", "Dead letters": "parked", "Accounted for": "books" };

// <key-figures> shows a few numbers; those with alarm are red above zero.
class KeyFigures extends HTMLElement {
  /** @type {Map<string, HTMLElement>} */
  #values = new Map();
  #list = make("dl");

  connectedCallback() { this.append(this.#list); }

  /**
   * show shows a figure; with alarm, it is red above zero.
   * @param {string} name
   * @param {number | string} value
   * @param {boolean} [alarm]
   * @param {string} [meaning]
   */
  show(name, value, alarm = false, meaning = "") {
    const entry = this.#values.get(name) ?? this.#add(name, meaning);
    const text = typeof value === "number" ? short(value) : value;
    if (entry.textContent !== text) entry.textContent = text;
    entry.closest("div")?.classList.toggle("alarm", alarm && Number(value) > 0);
  }

  /**
   * #add adds a figure, and returns the element of its value.
   * @param {string} name
   * @param {string} meaning
   */
  #add(name, meaning) {
    const link = DETAILS[name] ? make("a", { href: `#figure/${DETAILS[name]}` }) : null;
    const dd = make("dd", {}, link);
    this.#list.append(make("div", { title: meaning }, make("dt", {}, name), dd));
    this.#values.set(name, link ?? dd);
    return link ?? dd;
  }

  /** @param {string} name */
  drop(name) {
    this.#values.get(name)?.closest("div")?.remove();
    this.#values.delete(name);
  }

  /**
   * asOf shows when the figures were true, by the clock of the gateway.
   * @param {Date} date
   */
  asOf(date) { this.dataset.asOf = `As of ${clock(date)}`; }

  // dropStatus removes the sums of a status.
  dropStatus() { for (const name of ["Gaps", "Gaps passed on", "Dropped", "Dead letters", "Accounted for"]) this.drop(name); }

  /**
   * showStatus shows the sums of a status.
   * @param {Overview} status
   */
  showStatus({ sources, routes, sinks, conservation_broken: broken }) {
    /** @type {<T>(list: T[], count: (component: T) => number) => number} */
    const all = (list, count) => list.reduce((n, c) => n + count(c), 0);
    // The gaps at the start of the gateway are no alarm: each start has them.
    this.show("Gaps", all(sources, (s) => s.gaps - s.gaps_at_start), true, "gaps of all sources, without gaps_at_start");
    // Nor are those that other gateways have counted: they are an alarm there.
    this.show("Gaps passed on", all(sources, (s) => s.gaps_passed_on), false, "gaps_passed_on of all sources");
    this.show("Dropped", all([...sources, ...routes, ...sinks], dropped), true, "dropped of all routes and sinks, and events dropped by plugins");
    this.show("Dead letters", all([...routes, ...sinks], (c) => c.dead_lettered), true, "dead_lettered of all routes and sinks");
    this.show("Accounted for", broken ? "NOT ALL" : "all");
  }
}

/**
 * dropped returns the events that a component has dropped, and those that its plugin has dropped.
 * @param {{ dropped?: number | Record<string, number>, plugin?: Record<string, number> }} component
 */
const dropped = ({ dropped: own = 0, plugin = {} }) => sum(own) +
  sum(Object.fromEntries(Object.entries(plugin).filter(([name]) => name.endsWith("_dropped_total"))));

customElements.define("key-figures", KeyFigures);
