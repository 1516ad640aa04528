import { clock, make } from "../dom.js";

/** @import { Change, Difference, Item, View } from "../../types/api.js" */

const SIGNS = /** @type {Record<string, string>} */ ({ added: "+", removed: "−", changed: "~" });

/**
 * drawItem draws one event at a component: what came in, each step of a route with what it has changed, and what became of it.
 * @param {Item} item
 */
export function drawItem({ time, events, count, steps = [], outcome, reason, attempts = 0, to = [], skipped }) {
  const [first] = events;
  const about = [first?.key && `key ${first.key}`, first?.id && `ID ${first.id}`, first?.channel && `channel ${first.channel}`, count > 1 && `window of ${count}`,
    attempts > 0 && `${attempts} failed attempts`, to.length > 0 && `to ${to.join(", ")}`, skipped > 0 && `${skipped.toLocaleString("en")} skipped before`].filter(Boolean);
  return make("li", {}, make("p", { class: "head" }, make("time", {}, clock(new Date(time))), " ", make("span", { class: "badge", "data-outcome": outcome }, outcome.replace("_", " ")), " ", make("span", { class: "about" }, about.join(" · "))),
    ...(reason ? [make("p", { class: "error" }, reason)] : []), ...(steps.length > 0 ? steps.map((step) => drawStep(step, events)) : events.map(drawView)));
}

/**
 * @param {Change} step
 * @param {View[]} window what came in, for a step that took a window
 */
function drawStep({ transform, type, before, after, count, outcome, reason, changed = [], more = 0, uncompared }, window) {
  const compared = before && after.length === 1;
  const result = reason || outcome !== "applied" ? [outcome.replace("_", " "), reason].filter(Boolean).join(": ")
    : !compared ? `made ${count}` : uncompared ? `not compared: ${uncompared}` : changed.length === 0 ? "unchanged" : `${changed.length + more} changed`;
  const unchanged = compared && changed.length === 0 && !uncompared;
  const details = make("details", {}, make("summary", {}, make("b", {}, transform), ` (${type}): ${result}`),
    ...(changed.length > 0 ? [changesTable(changed, more)] : []),
    make("div", { class: "sides" }, make("div", {}, make("p", { class: "side" }, "Before"), ...(before ? [before] : window).map(drawView)),
      make("div", {}, make("p", { class: "side" }, "After"), ...(after.length > 0 ? after.map(drawView) : [make("p", { class: "empty" }, "nothing")]))));
  if (!unchanged) details.setAttribute("open", "");
  return details;
}

/**
 * @param {Difference[]} changed
 * @param {number} more
 */
const changesTable = (changed, more) => make("table", {}, make("thead", {}, make("tr", {}, ...["Field", "Before", "After"].map((title) => make("th", { scope: "col" }, title)))),
  make("tbody", {}, ...changed.map(({ path, change, before, after }) => make("tr", { "data-change": change }, make("th", { scope: "row" }, `${SIGNS[change] ?? ""} ${path}`), make("td", {}, make("code", {}, before ?? "")), make("td", {}, make("code", {}, after ?? "")))),
    ...(more > 0 ? [make("tr", {}, make("td", { colspan: 3 }, `and ${more} more`))] : [])));

/** @param {View} view */
function drawView({ payload, encoding, bytes, truncated, masked, hidden }) {
  const notes = [`${bytes.toLocaleString("en")} bytes`, encoding, truncated && "cut", masked && "parts may be hidden"].filter(Boolean).join(", ");
  return make("div", { class: "view" }, hidden ? make("p", { class: "empty" }, `Hidden: ${hidden}`) : make("pre", { tabindex: "0" }, payload), make("small", {}, notes));
}
