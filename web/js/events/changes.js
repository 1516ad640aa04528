import { exact, isObject, rowOf } from "./payload.js";

/** @typedef {import("./payload.js").Item} Item */
/** @typedef {{ field: string, before: any, after: any }} Change undefined: the version does not have the field */

/**
 * Returns what an event has changed in its row, field by field: against the old row that it has, else against the last event of the row.
 * It returns null if there is no version to compare.
 *
 * @param {Item} item
 * @returns {Change[] | null}
 */
export function changesOf(item) {
  try {
    const own = typeof item.payload === "string" && item.ofTable ? exact(item.payload) : {};
    if (isObject(own.old) && isObject(own.new)) return differences(own.old, own.new);
    return item.previous && item.ofTable ? differences(rowOf(item.previous), rowOf(item)) : null;
  } catch {
    return null; // nested too deep
  }
}

/** @param {Record<string, any>} before @param {Record<string, any>} after @returns {Change[]} */
function differences(before, after) {
  const fields = new Set([...Object.keys(before), ...Object.keys(after)]);
  /** @param {Record<string, any>} row @param {string} field */
  const value = (row, field) => (Object.hasOwn(row, field) ? row[field] : undefined);
  return [...fields].map((field) => ({ field, before: value(before, field), after: value(after, field) }))
    .filter(({ before: a, after: b }) => JSON.stringify(a) !== JSON.stringify(b));
}
