const LONG = /\d{16}/;

/** @type {(key: string, value: any, context?: { source: string }) => any} */
const unrounded = (_, value, context) =>
  typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? "") ? context?.source : value;

/**
 * Returns the value of JSON text, undefined for other text. An integer that JavaScript would round,
 * such as an id beyond 2^53, is its text, where JSON.parse can tell.
 *
 * @param {string} text
 * @returns {any}
 */
export function parse(text) {
  try {
    return LONG.test(text) ? JSON.parse(text, unrounded) : JSON.parse(text);
  } catch {
    return undefined;
  }
}
