/**
 * Returns the value of JSON text, undefined for other text. An integer that JavaScript would round,
 * such as an id beyond 2^53, is its text, where JSON.parse can tell.
 *
 * @param {string} text
 * @returns {any}
 */
export function parse(text: string): any;
