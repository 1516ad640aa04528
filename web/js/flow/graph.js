/**
 * @import { Overview } from "../../types/api.js"
 * @import { Component } from "./component-state.js"
 * @typedef {Component & { name: string, events?: number }} Named
 * @typedef {{ key: string, kind: string, component: Named, column: number, row: number }} GraphNode
 * @typedef {{ key: string, from: string, to: string, events: number, dead: boolean }} GraphEdge
 * @typedef {{ nodes: GraphNode[], edges: GraphEdge[] }} Graph
 */

// graphOf returns the components of a status as nodes, and what connects them as edges:
//
//   nodes: {key, kind, component, column}, in the order of the configuration. The key is that of the edges of the status, as
//   "sink browsers". Columns are 0 sources, 1 routes, 2 sinks, 3 sinks for dead letters only, and the place of the other dead letters.
//   edges: {key, from, to, events, dead}; dead edges carry dead letters.
/**
 * @param {Overview} status
 * @returns {Graph}
 */
export function graphOf(status) {
  /** @type {Map<string, GraphNode>} */
  const nodes = new Map();
  /** @type {(kind: string, component: Named, column: number) => void} */
  const add = (kind, component, column) => void nodes.set(`${kind} ${component.name}`, { key: `${kind} ${component.name}`, kind, component, column, row: 0 });
  const written = new Set(status.routes.flatMap((route) => route.to));
  const parking = new Set([...status.routes, ...status.sinks].map((c) => c.dead_letter).filter(Boolean));
  for (const source of status.sources) add("source", source, 0);
  for (const route of status.routes) add("route", route, 1);
  for (const sink of status.sinks) add("sink", sink, parking.has(sink.name) && !written.has(sink.name) ? 3 : 2);

  /** @type {Map<string, GraphEdge>} */
  const edges = new Map();
  /** @type {(from: string, to: string, events: number, dead: boolean) => void} */
  const connect = (from, to, events, dead) => {
    if (!nodes.has(from) || !nodes.has(to)) return; // one was removed by a reload
    const key = `${from} -> ${to}${dead ? " (dead letters)" : ""}`;
    edges.set(key, { key, from, to, events, dead });
  };
  for (const { name, from, to, dead_letter: parked } of status.routes) {
    for (const source of from) connect(`source ${source}`, `route ${name}`, 0, false);
    for (const sink of to) connect(`route ${name}`, `sink ${sink}`, 0, false);
    if (parked) connect(`route ${name}`, `sink ${parked}`, 0, true);
  }
  for (const { name, dead_letter: parked } of status.sinks) if (parked) connect(`sink ${name}`, `sink ${parked}`, 0, true);
  for (const { from, to: end, events } of status.edges) {
    const to = end === "dead-letter store" ? "memory" : end; // one place on the page
    if (to === "memory" && events > 0 && !nodes.has("memory")) nodes.set("memory", { key: "memory", kind: "memory", component: { name: status.dead_letter_store ? "dead-letter store" : "memory", events: status.dead_letter_store?.held ?? status.dead_letters }, column: 3, row: 0 });
    const dead = from.startsWith(LETTERS);
    connect(dead ? from.slice(LETTERS.length) : from, to, events, dead);
  }
  return { nodes: [...nodes.values()], edges: [...edges.values()] };
}

const LETTERS = "dead letters of ";

// layOut gives each node a row, from 0 up; fractions are between two rows. A column with fewer nodes than the longest one is
// spread over the same height. Within a column, nodes are sorted by the rows of those to which they are connected in the column before,
// or, for sources, behind. urgent nodes, and what is connected to them, are in the first rows. layOut returns the number of rows.
/**
 * @param {Graph} graph
 * @param {(node: GraphNode) => boolean} urgent
 */
export function layOut({ nodes, edges }, urgent) {
  const columns = [0, 1, 2, 3].map((column) => nodes.filter((node) => node.column === column));
  const rows = Math.max(...columns.map((column) => column.length), 1);
  const byKey = new Map(nodes.map((node) => [node.key, node]));
  /** @type {(node: GraphNode) => GraphNode[]} */
  const neighbours = (node) => edges.filter((e) => e.from === node.key || e.to === node.key).flatMap((e) => byKey.get(e.from === node.key ? e.to : e.from) ?? []);
  /** @type {(route: GraphNode) => boolean} */
  const isUrgent = (route) => urgent(route) || neighbours(route).some(urgent);
  /** @type {(column: GraphNode[]) => void} */
  const spread = (column) => column.forEach((node, i) => { node.row = ((i + 0.5) * rows) / column.length - 0.5; });
  /** @type {(column: GraphNode[], value: (node: GraphNode) => number) => void} */
  const sortBy = (column, value) => {
    const of = new Map(column.map((node) => [node, value(node)]));
    column.sort((a, b) => (of.get(a) ?? 0) - (of.get(b) ?? 0));
    spread(column);
  };
  /** @type {(numbers: number[], otherwise: number) => number} */
  const mean = (numbers, otherwise) => (numbers.length ? numbers.reduce((a, b) => a + b) / numbers.length : otherwise);
  /** @type {(other: number) => (node: GraphNode) => number} */
  const near = (other) => (node) => mean(neighbours(node).filter((n) => n.column === other).map((n) => n.row), rows);

  sortBy(columns[1], (route) => (isUrgent(route) ? 0 : 1));
  sortBy(columns[0], near(1));
  sortBy(columns[2], near(1));
  sortBy(columns[3], (node) => mean(neighbours(node).map((n) => n.row), rows));
  return rows;
}
