import { make } from "../dom.js";

const MAX_CHILDREN = 200; // of a node that are shown
const OPEN_DEPTH = 2; // levels that are open at first

/** Returns a value of JSON as a tree, whose branches are made when they are opened. @param {any} value */
export const jsonTree = (value) => make("div", { class: "json-tree" }, node("", value, 0));

/** @param {string} name @param {any} value @param {number} depth @returns {HTMLElement} */
function node(name, value, depth) {
  const label = name === "" ? [] : [make("span", { class: "name" }, name), ": "];
  if (typeof value !== "object" || value === null) return make("div", { class: "leaf" }, ...label, make("span", { class: typeof value }, typeof value === "string" ? value : String(value)));
  const entries = Object.entries(value);
  const size = Array.isArray(value) ? `[${entries.length}]` : `{${entries.length}}`;
  const details = make("details", {}, make("summary", {}, ...label, make("span", { class: "size" }, size)));
  const fill = () => {
    if (!details.open || details.childElementCount > 1) return;
    details.append(...entries.slice(0, MAX_CHILDREN).map(([key, child]) => node(key, child, depth + 1)));
    if (entries.length > MAX_CHILDREN) details.append(make("div", { class: "leaf" }, `… and ${entries.length - MAX_CHILDREN} more: see the exact text`));
  };
  details.addEventListener("toggle", fill);
  if (depth < OPEN_DEPTH) {
    details.open = true;
    fill();
  }
  return details;
}
