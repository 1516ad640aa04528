import { make, plain } from "../dom.js";

/** @import { Component, Option } from "../../types/api.js" */

/**
 * optionsTable returns the options of a component: first those that the configuration has, then the defaults. The gateway hides secrets.
 * @param {Component} config
 */
export function optionsTable({ type, summary, at, options, common, capabilities = [] }) {
  const all = [...options, ...common], given = all.filter((o) => o.at || o.set), rest = all.filter((o) => !o.at && !o.set);
  return [
    make("p", {}, [summary, capabilities.length > 0 && `Capabilities: ${capabilities.join(", ")}.`, at && `Configured at ${at}.`].filter(Boolean).join(" ")),
    table(type ? `Options of this ${type} that are set` : "What is set", given),
    make("details", {}, make("summary", {}, `${rest.length} with their default`), table("Defaults", rest)),
  ];
}

/**
 * @param {string} caption
 * @param {Option[]} options
 */
const table = (caption, options) => make("table", { class: "options" }, make("caption", {}, caption),
  make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "Option"), make("th", { scope: "col" }, "Value"))),
  make("tbody", {}, ...options.map(drawOption)));

/** @param {Option} option */
function drawOption({ name, value, doc = "", default: standard, set, at, variables = [] }) {
  const shown = value === "" || value === null ? "–" : plain(value);
  const notes = [variables.length > 0 && `from ${variables.map((v) => `$${v}`).join(", ")}`, set && standard && standard !== "required" && `default: ${standard}`, at?.split("/").at(-1)].filter(Boolean).join(" · ");
  return make("tr", {}, make("th", { scope: "row", title: doc }, name), make("td", {}, make("code", {}, shown), notes && make("small", {}, ` ${notes}`), doc && make("p", {}, doc)));
}
