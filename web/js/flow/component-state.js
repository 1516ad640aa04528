/** @import { SourceStatus, RouteStatus, SinkStatus } from "../../types/api.js" */
/** @typedef {Partial<SourceStatus & Omit<RouteStatus, "dropped"> & Omit<SinkStatus, "dropped">> & { dropped?: number | Record<string, number> }} Component */
import { clock, short } from "../dom.js";

/**
 * stateOf returns the state of a component: a name for the color, a shape and words, so that no state is shown by color alone.
 * @param {Component} component
 */
export function stateOf({ up, failing, since, leader, stalled, breaker }) {
  if (breaker?.state === "disabled") return { state: "down", shape: "■", words: "disabled" };
  if (up === false) return { state: "down", shape: "✕", words: Date.parse(since ?? "") > 0 ? `DOWN since ${clock(new Date(since ?? ""))}` : "not connected yet" };
  if (breaker?.state === "open" || breaker?.state === "half_open") return { state: "failing", shape: "▲", words: `breaker ${breaker.state.replace("_", " ")}` };
  if (stalled) return { state: "failing", shape: "▲", words: "stalled" };
  if (failing) return { state: "failing", shape: "▲", words: "failing" };
  if (leader?.state === "standby") return { state: "standby", shape: "○", words: "standby" };
  return { state: "up", shape: "●", words: leader?.state === "leader" ? "leader" : "" };
}

/**
 * summaryOf returns one line about the components that are down or fail, such as "1 of 7 down: shop, 111 queued, since 12:03:07". The first
 * part, which screen readers read when it changes, is text; the rest changes often, and is ticks.
 * @param {Component[]} components
 */
export function summaryOf(components) {
  const states = components.map((component) => ({ component, ...stateOf(component) }));
  for (const [state, word] of [["down", "down"], ["failing", "failing"]]) {
    const all = states.filter((s) => s.state === state);
    if (all.length === 0) continue;
    const names = all.slice(0, 3).map(({ component }) => component.name).join(", ");
    const queued = all.reduce((n, { component }) => n + (component.queued ?? 0), 0);
    const since = Math.min(...all.map(({ component: { up, since, failing_since: failing } }) => Date.parse((up === false ? since : failing) ?? "")).filter((at) => at > 0));
    const text = `${all.length} of ${components.length} ${word}: ${names}${all.length > 3 ? ` and ${all.length - 3} more` : ""}`;
    return { text, ticks: [queued > 0 && `${short(queued)} queued`, Number.isFinite(since) && `since ${clock(new Date(since))}`].filter(Boolean).map((part) => `, ${part}`).join("") };
  }
  return { text: "", ticks: "" };
}
