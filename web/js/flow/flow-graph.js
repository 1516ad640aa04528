import { stateOf } from "./component-state.js";
import { short } from "../dom.js";
import { graphOf, layOut } from "./graph.js";

/**
 * @import { Overview } from "../../types/api.js"
 * @import { GraphEdge, GraphNode, Named } from "./graph.js"
 * @typedef {{ x: number, y: number, width: number }} Place the left upper corner of a node, and its width
 * @typedef {{ height: number, step: number }} Size of nodes, and from one row to the next
 * @typedef {{ height: number, rows: number[], x: number }} FreeRows
 */

const MARGIN = 2, WIDEST = 240, GAP = 90; // pixels, in a row of columns
const ROOMY = { height: 54, step: 72 }, DENSE = { height: 30, step: 38 }; // nodes of two lines and of one
const MAX_ROOMY = 12; // rows
const MAX_ROWS = 200; // more are in the list only
const CHARACTER = 7.4; // pixels, about

// <flow-graph> draws how events flow: sources, routes, sinks and dead letters. It shows the rate of each edge, the queue and the state of each
// component.
//
// Events: "pick" (detail: {kind, name}), for a node that the user has chosen.
class FlowGraph extends HTMLElement {
  #svg = draw("svg", { role: "group", "aria-label": "Flow of events" });
  #edges = draw("g", { "aria-hidden": "true" });
  #nodes = draw("g");
  /** @type {Map<string, SVGElement>} */
  #drawn = new Map(); // by the key of a node or edge
  /** @type {Map<string, Rate>} */
  #rates = new Map(); // by the key of an edge
  /** @type {Overview | null} */
  #status = null;
  #layout = ""; // what the positions depend on

  connectedCallback() {
    this.#svg.append(this.#edges, this.#nodes);
    this.append(this.#svg);
    new ResizeObserver(() => this.#render()).observe(this);
  }

  /** @param {Overview} status */
  show(status) {
    const now = Date.parse(status.now);
    const graph = graphOf(status);
    const before = this.#rates;
    this.#rates = new Map(graph.edges.map(({ key, events }) => {
      const rate = before.get(key) ?? new Rate();
      rate.add(events, now);
      return [key, rate];
    }));
    this.#status = status;
    this.#render(graph);
  }

  #render(graph = this.#status && graphOf(this.#status)) {
    if (!graph || this.clientWidth === 0) return;
    const rows = layOut(graph, ({ component }) => stateOf(component).state === "down");
    const size = rows > MAX_ROOMY ? DENSE : ROOMY;
    const hidden = graph.nodes.filter((node) => node.row >= MAX_ROWS).length;
    const nodes = graph.nodes.filter((node) => node.row < MAX_ROWS);
    const place = this.#place(nodes, size);
    const height = Math.min(rows, MAX_ROWS) * size.step - (size.step - size.height) + 2 * MARGIN;
    set(this.#svg, { viewBox: `0 0 ${this.clientWidth} ${height}`, width: this.clientWidth, height });
    this.dataset.hidden = hidden > 0 ? `${hidden} more components are in the list` : "";

    const layout = JSON.stringify([this.clientWidth, nodes.map(({ key, row }) => [key, row]), graph.edges.map(({ key }) => key)]);
    const shown = new Set([...nodes, ...graph.edges].map(({ key }) => key));
    for (const [key, element] of this.#drawn) {
      if (shown.has(key)) continue;
      element.remove();
      this.#drawn.delete(key);
    }
    for (const node of nodes) this.#node(node, placeOf(place, node.key), size);
    const free = freeRows(nodes, place, size);
    for (const edge of graph.edges) if (place.has(edge.from) && place.has(edge.to)) this.#edge(edge, placeOf(place, edge.from), placeOf(place, edge.to), free, layout !== this.#layout);
    this.#layout = layout;
  }

  /**
   * #place returns where each node is, by its key.
   * @param {GraphNode[]} nodes
   * @param {Size} size
   * @returns {Map<string, Place>}
   */
  #place(nodes, { step }) {
    const columns = nodes.some((node) => node.column === 3) ? 4 : 3;
    const width = Math.min(WIDEST, (this.clientWidth - 2 * MARGIN - (columns - 1) * GAP) / columns);
    const pitch = columns > 1 ? (this.clientWidth - 2 * MARGIN - width) / (columns - 1) : 0;
    return new Map(nodes.map(({ key, column, row }) => [key, { x: MARGIN + column * pitch, y: MARGIN + row * step, width }]));
  }

  /**
   * @param {GraphNode} node
   * @param {Place} place
   * @param {Size} size
   */
  #node({ key, kind, component }, { x, y, width }, { height }) {
    const { state, shape, words } = stateOf(component);
    const texts = details(kind, component, words);
    let node = this.#drawn.get(key);
    if (!node) {
      node = draw("g", { class: "node", role: "button", tabindex: 0, "data-kind": kind, "data-name": component.name });
      node.append(draw("title"), draw("rect", { class: "box", rx: 10 }), draw("rect", { class: "queue", rx: 2, height: 4 }), draw("text", { class: "name" }), draw("text", { class: "detail" }));
      const pick = () => this.dispatchEvent(new CustomEvent("pick", { detail: { kind, name: component.name } }));
      node.addEventListener("click", pick);
      node.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); pick(); } });
      this.#nodes.append(node);
      this.#drawn.set(key, node);
    }
    const [title, box, queue, name, detail] = node.children;
    const fill = kind === "sink" && component.capacity ? Math.min((component.queued ?? 0) / component.capacity, 1) : 0;
    set(node, { transform: `translate(${x} ${y})`, "data-state": kind === "memory" ? "up" : state });
    title.textContent = `${kind} ${component.name}: ${[...texts, state !== "up" && component.last_error].filter(Boolean).join(", ")}`; // its name for screen readers, too
    set(box, { width, height });
    set(queue, { x: 12, y: height - 8, width: Math.max(fill * (width - 24), 0), "data-level": fill > 0.9 ? "full" : fill > 0.5 ? "high" : "low" });
    const fits = Math.floor((width - 24) / CHARACTER);
    const one = height < ROOMY.height; // all in one line
    set(name, { x: 12, y: one ? 19 : 22 });
    name.textContent = cut(`${kind === "route" && state === "up" ? "" : `${shape} `}${component.name}${one && state !== "up" ? ` · ${words}` : ""}`, fits);
    set(detail, { x: 12, y: 39 });
    detail.textContent = one ? "" : cut(texts.join(" · "), Math.floor(fits * 1.12));
  }

  /**
   * @param {GraphEdge} edge
   * @param {Place} from
   * @param {Place} to
   * @param {FreeRows} free
   * @param {boolean} moved
   */
  #edge({ key, events, dead }, from, to, free, moved) {
    let edge = this.#drawn.get(key);
    if (!edge) {
      edge = draw("g", { class: dead ? "edge dead" : "edge" });
      edge.append(draw("title"), draw("path"), draw("text", { class: "rate" }));
      this.#edges.append(edge);
      this.#drawn.set(key, edge);
      moved = true;
    }
    const [title, path, text] = edge.children;
    if (moved) {
      const { line, label } = route(from, to, free);
      set(path, { d: line });
      set(text, { x: label.x, y: label.y });
    }
    const rate = this.#rates.get(key)?.perSecond ?? 0;
    edge.classList.toggle("flows", rate > 0);
    set(path, { "stroke-width": Math.min(1.5 + 1.7 * Math.log10(1 + rate), 9).toFixed(1) });
    title.textContent = `${key}: ${events.toLocaleString("en")} events`;
    text.textContent = rate >= 0.5 ? `${short(Math.round(rate))}/s` : rate > 0 ? "<1/s" : "";
  }
}

// Rate is the rate of a count: the mean of the last samples, the latest weighs half.
class Rate {
  #count = 0;
  #at = 0;
  perSecond = 0;

  /**
   * add adds a sample.
   * @param {number} count
   * @param {number} at the time of the gateway in milliseconds
   */
  add(count, at) {
    if (this.#at && at > this.#at && count >= this.#count) {
      const latest = ((count - this.#count) * 1000) / (at - this.#at);
      this.perSecond = (this.perSecond + latest) / 2;
      if (this.perSecond < 0.05) this.perSecond = 0;
    }
    if (at !== this.#at) [this.#count, this.#at] = [count, at];
  }
}

/**
 * details returns what the second line of a node shows. The state comes first if there is one, because the line may be cut.
 * @param {string} kind
 * @param {Named} component
 * @param {string} words of the state
 * @returns {string[]}
 */
function details(kind, component, words) {
  const through = component.through ?? [];
  /** @type {Record<string, () => (string | false | undefined)[]>} */
  const texts = {
    source: () => [words, component.type, short(component.emitted)],
    route: () => [words, through.length > 0 ? `→ ${through.join(" → ")}` : `${short(component.in)} in`, `${short(component.out)} out`],
    sink: () => [words, (component.queued ?? 0) > 0 && `${short(component.queued)} queued`, component.type, short(component.delivered)],
    memory: () => [`${short(component.events)} dead letters`],
  };
  return texts[kind]().flatMap((text) => text || []);
}

/**
 * freeRows returns the heights between the sinks, where an edge from a route to the dead letters passes by.
 * @param {GraphNode[]} nodes
 * @param {Map<string, Place>} place
 * @param {Size} size
 * @returns {FreeRows}
 */
function freeRows(nodes, place, { height }) {
  const tops = nodes.filter((node) => node.column === 2).map(({ key }) => placeOf(place, key).y).sort((a, b) => a - b);
  return { height, rows: tops.slice(1).map((top, i) => (tops[i] + height + top) / 2), x: place.get(nodes.find((node) => node.column === 2)?.key ?? "")?.x ?? 0 };
}

/**
 * route returns the path of an edge between two nodes, and where its label is.
 * @param {Place} from
 * @param {Place} to
 * @param {FreeRows} free
 */
function route(from, to, { height, rows, x: sinks }) {
  const [x1, y1, x2, y2] = [from.x + from.width, from.y + height / 2, to.x, to.y + height / 2];
  /** @type {(ax: number, ay: number, bx: number, by: number) => string} */
  const curve = (ax, ay, bx, by) => `C ${(ax + bx) / 2} ${ay} ${(ax + bx) / 2} ${by} ${bx} ${by}`;
  if (x2 < x1) { // between sinks of one column, or back
    const turn = Math.max(x1, to.x + to.width) + 28;
    return { line: `M ${x1} ${y1} C ${turn} ${y1} ${turn} ${y2} ${to.x + to.width} ${y2}`, label: { x: turn - 8, y: (y1 + y2) / 2 } };
  }
  const free = rows.length > 0 && from.x < sinks && to.x > sinks ? rows.reduce((a, b) => (Math.abs(b - y1) < Math.abs(a - y1) ? b : a)) : null;
  if (free === null) return { line: `M ${x1} ${y1} ${curve(x1, y1, x2, y2)}`, label: { x: (x1 + x2) / 2, y: (y1 + y2) / 2 - 6 } };
  const end = sinks + from.width;
  return { line: `M ${x1} ${y1} ${curve(x1, y1, sinks, free)} L ${end} ${free} ${curve(end, free, x2, y2)}`, label: { x: (sinks + end) / 2, y: free - 4 } };
}

/**
 * placeOf returns the place of a node that is drawn.
 * @type {(places: Map<string, Place>, key: string) => Place}
 */
const placeOf = (places, key) => places.get(key) ?? { x: 0, y: 0, width: 0 };

/** @type {(text: string, length: number) => string} */
const cut = (text, length) => (text.length > length ? `${text.slice(0, Math.max(length - 1, 1))}…` : text);

/**
 * draw builds an SVG element.
 * @param {string} tag
 * @param {Record<string, string | number>} attributes
 */
function draw(tag, attributes = {}) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  set(element, attributes);
  return element;
}

/**
 * set sets the attributes that change.
 * @param {Element} element
 * @param {Record<string, string | number>} attributes
 */
function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) if (element.getAttribute(name) !== String(value)) element.setAttribute(name, String(value));
}

customElements.define("flow-graph", FlowGraph);
