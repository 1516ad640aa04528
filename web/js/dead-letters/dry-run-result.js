/** @import { Change, DryRunResult } from "../../types/api.js" */
import { make } from "../dom.js";

/**
 * dryRunResult returns what would become of a letter: what each transform makes of it, and which sinks get it.
 * @param {DryRunResult} result
 */
export function dryRunResult(result) {
  const list = make("ol", { class: "dry-run" });
  /** @type {(name: string, text: string, ...more: HTMLElement[]) => void} */
  const add = (name, text, ...more) => list.append(make("li", {}, make("strong", {}, name), ` ${text}`, ...more));
  if (result.from) add(result.place, `from the transform ${result.from} on`);
  for (const item of result.items) {
    for (const step of item.steps ?? []) add(step.transform, `(${step.type}) ${step.outcome}${step.reason ? `: ${step.reason}` : ""}`, changes(step));
    if (item.outcome !== "sent") add("Outcome", `${item.outcome.replaceAll("_", " ")}${item.reason ? `: ${item.reason}` : ""}`);
  }
  for (const { sink, payloads } of result.sinks) add(`Sink ${sink}`, `would get ${payloads.length === 1 ? "" : `${payloads.length} events`}`, ...payloads.map((payload) => make("pre", {}, payload)));
  if (result.failed) list.append(make("li", { class: "error" }, `It would fail again: ${result.failed}`));
  else if (result.sinks.length === 0) add("No sink", "would get it");
  return list;
}

/**
 * changes lists the fields that a transform has changed.
 * @param {Change} step
 */
function changes({ changed = [], uncompared, outcome }) {
  if (uncompared) return make("span", { class: "soft" }, ` (not compared: ${uncompared})`);
  if (changed.length === 0) return make("span", { class: "soft" }, outcome === "applied" ? " (unchanged)" : "");
  /** @type {Record<string, string>} */
  const sign = { added: "+", removed: "−", changed: "±" };
  return make("ul", {}, ...changed.map(({ path, change, before, after }) => make("li", { class: change },
    `${sign[change] ?? change} ${path}: `, make("code", {}, [before, after].filter((value) => value !== undefined).join(" → ")))));
}
