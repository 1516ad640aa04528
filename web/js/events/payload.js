import { parse } from "../../client/index.js";

export const OTHER = "Other"; // the tab of events without a table and a channel
export const BINARY = "BINARY";

/**
 * An event as the page holds it.
 *
 * @typedef {object} Item
 * @property {string | Blob} payload as it has come; a Blob if it is not UTF-8
 * @property {any} attributes those that the gateway has sent beside it; null: none
 * @property {number} at when it came, in milliseconds since 1970
 * @property {string} tab the table or the channel to which it belongs
 * @property {boolean} ofTable whether the tab is a table
 * @property {string | null} key of its row; null if it is not known
 * @property {string} operation
 * @property {string} field the member of the payload that holds the row; "" if the payload is the row
 * @property {string[]} columns names of the members of the row
 * @property {boolean} left whether it has come as the last event of a row that has left the filter
 * @property {Item | null} previous the last event of the same row before it
 */

/**
 * Finds what an event is about. A payload of a table has a text `operation`, and an object with the row: `order`, `new` and
 * `old`, or the first one.
 *
 * @param {string | Blob} payload
 * @param {any} attributes
 * @param {boolean} left
 * @returns {Item}
 */
export function describe(payload, attributes = null, left = false) {
  const channel = attributes?.channel || OTHER;
  /** @type {Item} */
  const item = { payload, attributes, at: Date.now(), tab: channel, ofTable: false, key: null, operation: BINARY, field: "", columns: [], left, previous: null };
  if (typeof payload !== "string") return item;
  const message = parse(payload);
  item.operation = message === undefined ? "TEXT" : "JSON";
  if (!isObject(message)) return item;
  if (!isText(message.operation)) {
    item.columns = Object.keys(message);
    return item;
  }
  item.operation = message.operation;
  const field = rowField(message);
  const table = [attributes?.attrs?.table, message.table].find((name) => isText(name) && name !== "");
  if (table === undefined && field === "") { // such as {"operation":"UNKNOWN","raw":...}
    item.columns = Object.keys(message);
    return item;
  }
  const row = field === "" ? {} : message[field];
  item.ofTable = true;
  item.tab = table ?? (field === "order" ? "orders" : field);
  item.field = field;
  item.columns = Object.keys(row);
  item.key = keyOf(row) ?? (attributes?.key || null);
  return item;
}

/** @param {any} message */
function rowField(message) {
  for (const name of ["order", "new", "old"]) if (Object.hasOwn(message, name) && isObject(message[name])) return name;
  return Object.keys(message).find((name) => isObject(message[name])) ?? "";
}

/** @param {any} row */
function keyOf(row) {
  const id = Object.hasOwn(row, "id") ? row.id : null;
  return id === null ? null : typeof id === "object" ? JSON.stringify(id) : String(id);
}

/** @param {any} value */
export const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** @param {any} value */
const isText = (value) => typeof value === "string";

/**
 * Parses JSON. Numbers that JavaScript would format differently (5.30, 9007199254740993) become text, in browsers with source
 * text access.
 *
 * @param {string} json
 */
export const exact = (json) => JSON.parse(json, /** @type {any} */ ((/** @type {string} */ _, /** @type {any} */ value, /** @type {any} */ context) =>
  typeof value === "number" && context?.source !== undefined && context.source !== String(value) ? context.source : value));

/**
 * Returns the row of an item with exact numbers, {} if it has none.
 *
 * @param {Item} item
 * @returns {Record<string, any>}
 */
export function rowOf(item) {
  if (typeof item.payload !== "string" || item.columns.length === 0) return {};
  const message = exact(item.payload);
  return item.field === "" ? message : message[item.field];
}
