// The figures of the history, and the charts that show them.

/** @type {{title: string, unit: string, figures: string[]}[]} */
export const CHARTS = [
  { title: "Events", unit: "per second", figures: ["in", "out"] },
  { title: "Waiting", unit: "events", figures: ["queued", "in_flight"] },
  { title: "Latency", unit: "ms", figures: ["p50", "p99"] },
  { title: "Failures", unit: "per second", figures: ["errors", "dead_letters", "gaps"] },
  { title: "Clients", unit: "connected", figures: ["clients"] },
];

/** @type {Record<string, string>} */
const NAMES = { in: "in", out: "out", queued: "queued", in_flight: "in flight", p50: "p50", p99: "p99", errors: "errors", dead_letters: "dead letters", gaps: "gaps", clients: "clients" };

/** @param {string} figure */
export const nameOf = (figure) => NAMES[figure] ?? figure;

/**
 * formatFigure formats a value so that it fits; "–" if there is none.
 * @param {number | null | undefined} value
 */
export function formatFigure(value) {
  if (value === null || value === undefined) return "–";
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)}M`;
  if (value >= 1e4) return `${(value / 1e3).toFixed(1)}k`;
  return value >= 100 || Number.isInteger(value) ? Math.round(value).toLocaleString("en") : value.toPrecision(2);
}
