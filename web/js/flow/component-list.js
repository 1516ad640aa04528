/**
 * @import { Overview } from "../../types/api.js"
 * @import { Component } from "./component-state.js"
 */
import { clock, make, short } from "../dom.js";
import { equationOf, sum } from "../component/books.js";

// <component-list> shows the sources, routes and sinks of /api/status. Its elements stay from one status to the next, so that
// opened counts stay open.
class ComponentList extends HTMLElement {
  /** @type {Map<string, Item>} */
  #items = new Map(); // by "source NAME"
  #list = make("ul");

  connectedCallback() { this.showText("Loading…"); }

  /** @param {string} text */
  showText(text) { this.replaceChildren(make("p", { class: "empty" }, text)); }

  /** @param {Overview} status */
  show(status) {
    const before = this.#items;
    this.#items = new Map();
    for (const [kind, component] of components(status)) {
      const key = `${kind} ${component.name}`;
      const item = before.get(key) ?? new Item(kind);
      item.show(component, Date.parse(status.now));
      this.#items.set(key, item);
    }
    const items = [...this.#items.values()].map((item) => item.element);
    if (items.length !== this.#list.children.length || items.some((item, i) => item !== this.#list.children[i])) this.#list.replaceChildren(...items);
    if (!this.#list.isConnected) this.replaceChildren(this.#list);
    this.stale("");
  }

  /**
   * stale marks the list as old, with the reason; "" removes the mark.
   * @param {string} why
   */
  stale(why) {
    this.classList.toggle("stale", why !== "");
    this.querySelector(".news")?.remove();
    if (why && this.#list.isConnected) this.prepend(make("p", { class: "warning news" }, why));
  }
}

/**
 * components yields the kind and the state of each component.
 * @param {Overview} status
 * @returns {Generator<[kind: string, component: Component & { name: string }]>}
 */
export function* components({ sources, routes, sinks }) {
  for (const c of sources) yield ["source", c];
  for (const c of routes) yield ["route", c];
  for (const c of sinks) yield ["sink", c];
}

/**
 * fails reports whether a component is down, or fails although it is up.
 * @param {Component} component
 */
export const fails = (component) => component.failing || component.up === false;

// The counts that are shown beside a component if they are not 0; the table has all counts.
/** @type {Record<string, string[]>} */
const NOTES = {
  source: ["outstanding", "nacked", "gaps", "gaps_passed_on", "keyless", "errors", "panics"],
  route: ["filtered", "merged", "held", "dropped", "dead_lettered", "returned", "errors", "panics"],
  sink: ["queued", "retrying", "held_back", "dropped", "dead_lettered", "returned", "retries", "panics"],
};
// The count of the rate and of the first number.
/** @type {Record<string, "emitted" | "out" | "delivered">} */
const FLOW = { source: "emitted", route: "out", sink: "delivered" };

// Item shows one component.
class Item {
  #kind;
  /** @type {{ count: number, at: number } | null} */
  #before = null;
  #rate = make("span", { class: "rate" });
  #detail = make("summary", { title: "All counts" });
  #error = make("span", { class: "detail error" });
  #name = make("a", { class: "name" });
  #counts = make("dl");

  /** @param {string} kind */
  constructor(kind) {
    this.#kind = kind;
    this.element = make("li", { "data-kind": kind }, make("span", { class: "dot" }), this.#name, this.#rate,
      make("details", { class: "detail" }, this.#detail, make("p", {}, equationOf(kind)), this.#counts), this.#error);
  }

  /**
   * @param {Component & { name: string }} component
   * @param {number} now the time of the gateway in milliseconds
   */
  show(component, now) {
    const { element } = this;
    element.dataset.name = component.name;
    element.dataset.failing = String(component.failing);
    if (component.up !== undefined) element.dataset.up = String(component.up);
    const flow = FLOW[this.#kind];
    if (this.#name.textContent !== component.name) this.#name.textContent = component.name;
    this.#name.setAttribute("href", `#component/${this.#kind}/${component.name}`);
    this.#rate.textContent = `${short(Math.round(this.#speed(component[flow] ?? 0)))}/s`;
    const parts = [this.#kind, component.type, ...statesOf(component, now), `${words(flow)} ${short(component[flow])}`, ...notes(component, NOTES[this.#kind])];
    this.#detail.textContent = parts.filter(Boolean).join(" · ");
    this.#error.hidden = !component.last_error;
    this.#error.classList.toggle("past", !fails(component));
    if (component.last_error) this.#error.textContent = lastError(component, now);
    this.#counts.replaceChildren(...countsOf(component).flatMap(([name, n]) => [make("dt", {}, name), make("dd", { "data-count": name }, n)]));
  }

  /** @param {number} count */
  #speed(count) {
    const now = performance.now();
    const before = this.#before ?? { count, at: now - 1 };
    this.#before = { count, at: now };
    return Math.max(0, (count - before.count) / ((now - before.at) / 1000));
  }
}

/**
 * statesOf returns the state of a component as texts.
 * @param {Component} component
 * @param {number} now
 */
export function statesOf(component, now) {
  const { up, since, attempts, leader, stalled, breaker } = component;
  const texts = [];
  if (up !== undefined) texts.push(up ? "up" : Date.parse(since ?? "") > 0 ? `down for ${formatDuration(now - Date.parse(since ?? ""))}` : "not connected yet");
  if (attempts) texts.push(`attempts ${short(attempts)}`);
  if (leader) texts.push(leader.state === "none" ? "not connected, no leader" : leader.state);
  if (leader?.holder) texts.push(`the lock is held by ${leader.holder}, which cannot lead`);
  if (stalled) texts.push(`stalled for ${formatDuration(now - Date.parse(stalled.since))}: ${stalled.reason}`);
  return [...texts, ...(breakers[breaker?.state ?? ""] ?? [])];
}

// breakers are the texts of the states of a circuit breaker.
/** @type {Record<string, string[]>} */
const breakers = { open: ["breaker open"], half_open: ["breaker half open"], disabled: ["disabled by its receiver"] };

/**
 * notes returns the counts that are not 0, by the names that they have in the status.
 * @type {(component: any, names: string[]) => string[]}
 */
const notes = (component, names) => names.filter((name) => isNotable(component, name))
  .map((name) => {
    const n = component[name];
    if (typeof n === "number") return `${words(name)} ${short(n)}`;
    return `${words(name)} ${short(sum(n))} (${Object.entries(/** @type {Record<string, number>} */ (n)).filter(([, n]) => n > 0).map(([why, n]) => `${why} ${short(n)}`).join(", ")})`;
  })
  .concat(Object.entries(/** @type {Record<string, number>} */ (component.plugin ?? {})).filter(([, n]) => n > 0).map(([name, n]) => `${words(name.replace(/^gateway_(.*)_total$/, "$1"))} ${short(n)}`));

/**
 * isNotable reports whether a count is shown: the gaps at the start of the gateway are not.
 * @param {any} component
 * @param {string} name
 */
function isNotable(component, name) {
  const n = typeof component[name] === "object" ? sum(component[name]) : component[name];
  return name === "gaps" ? n > component.gaps_at_start : n > 0;
}

/**
 * lastError returns the last error, its time, and whether it is past.
 * @param {Component} component
 * @param {number} now
 */
function lastError({ last_error: error, last_error_at: at = "", ...component }, now) {
  const ago = `${clock(new Date(at))}, ${formatDuration(now - Date.parse(at))} ago`;
  return fails(component) ? `${error} (${ago})` : `Past: ${error} (${ago})`;
}

/**
 * countsOf lists every number of a component, by its name in the status.
 * @type {(component: object, before?: string) => [name: string, n: number][]}
 */
export const countsOf = (component, before = "") => Object.entries(component).flatMap(([name, n]) => {
  if (typeof n === "number" && name !== "term") return [[before + name, n]];
  if (["dropped", "breaker", "plugin"].includes(name) && n !== null && typeof n === "object") return countsOf(n, name === "plugin" ? "" : `${name}.`);
  return [];
});

/** @type {(name: string) => string} */
const words = (name) => name.replaceAll("_", " ");

/**
 * formatDuration formats milliseconds: 12 s, 3 min, 2 h 5 min.
 * @param {number} milliseconds
 */
export function formatDuration(milliseconds) {
  const s = Math.max(0, Math.round(milliseconds / 1000));
  if (s < 60) return `${s} s`;
  const min = Math.floor(s / 60);
  if (min < 60) return `${min} min`;
  return min < 48 * 60 ? `${Math.floor(min / 60)} h ${min % 60} min` : `${Math.floor(min / 60 / 24)} days`;
}

customElements.define("component-list", ComponentList);
