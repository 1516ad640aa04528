import { make } from "../dom.js";

// The books of a component: at any moment, the events that came in are equal to those that went out, were dropped or are held.

/** @type {Record<string, {in: string[], out: string[]}>} */
const TERMS = {
  source: { in: ["emitted"], out: ["acked", "nacked", "outstanding"] },
  route: { in: ["in", "added"], out: ["filtered", "merged", "held", "dropped", "dead_lettered", "returned", "out"] },
  sink: { in: ["in"], out: ["delivered", "dropped", "dead_lettered", "returned", "queued", "writing"] },
};

/** @type {Record<string, string>} */
const WORDS = { dead_lettered: "parked as dead letters", outstanding: "not settled yet", out: "sent on", in: "came in", writing: "being written", held: "held in windows" };

/**
 * sum adds up counts by reason; a number is itself.
 * @param {number | Record<string, number> | null | undefined} n
 * @returns {number}
 */
export const sum = (n) => (typeof n === "object" ? Object.values(n ?? {}).reduce((a, b) => a + b, 0) : n ?? 0);

/**
 * equationOf returns the equation of a kind of component, with the names of the counts in the status.
 * @param {string} kind
 */
export const equationOf = (kind) => `${TERMS[kind].in.join(" + ")} = ${TERMS[kind].out.join(" + ")}`;

/**
 * drawBooks returns the books of a component as a sentence such as "1,204 came in = 1,190 delivered + 14 parked as dead letters".
 * @param {string} kind
 * @param {Record<string, any>} component
 */
export function drawBooks(kind, component) {
  const terms = TERMS[kind];
  /** @param {string[]} names */
  const total = (names) => names.reduce((n, name) => n + sum(component[name]), 0);
  /** @param {string[]} names */
  const side = (names) => {
    const shown = names.filter((name) => sum(component[name]) > 0);
    return (shown.length > 0 ? shown : names.slice(0, 1)).flatMap((name, i) => [i > 0 ? " + " : "", make("b", {}, sum(component[name]).toLocaleString("en")), ` ${WORDS[name] ?? name}`]);
  };
  const balanced = total(terms.in) === total(terms.out);
  return make("p", { class: "books", "data-balanced": String(balanced) }, ...side(terms.in), balanced ? " = " : " ≠ ", ...side(terms.out));
}
