import { exact } from "./payload.js";

/** @typedef {import("./payload.js").Item} Item */

const IDENTIFIER = /^(?:"(?:[^"\0]|"")+"|[a-z_][a-z0-9_$]*)$/;
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069\u200b-\u200f\ufeff!]/u; // ! is for the history of an interactive shell

/**
 * Returns a text as one word of a POSIX shell. Control characters, which a terminal would interpret when the command is pasted, make it
 * a $'...' of bash and zsh.
 *
 * @param {string} text without NUL
 */
export function shellWord(text) {
  if (!CONTROL.test(text)) return `'${text.replaceAll("'", "'\\''")}'`;
  const bytes = new TextEncoder().encode(text);
  return `$'${[...bytes].map((byte) => (byte >= 0x20 && byte < 0x7f && byte !== 0x27 && byte !== 0x5c && byte !== 0x21 ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, "0")}`)).join("")}'`;
}

/** Returns a text as a literal of SQL, whatever standard_conforming_strings is. @param {string} text without NUL */
export function sqlLiteral(text) {
  const quoted = `'${text.replaceAll("'", "''").replaceAll("\\", "\\\\")}'`;
  return text.includes("\\") ? `E${quoted}` : quoted;
}

/** Returns a name of a table as PostgreSQL writes it (public."Orders") with all parts quoted; null if it is none. @param {string} name */
export function sqlTable(name) {
  const parts = name.match(/"(?:[^"\0]|"")+"|[^."]+/g) ?? [];
  if (parts.length > 2 || parts.join(".") !== name || !parts.every((part) => IDENTIFIER.test(part))) return null;
  return parts.map((part) => (part.startsWith('"') ? part : `"${part}"`)).join(".");
}

/** Returns the command that selects the row of an event; "" if its table or its id is not known. @param {Item} item */
export function psqlCommand({ tab, ofTable, columns, key }) {
  const table = ofTable ? sqlTable(tab) : null;
  if (table === null || key === null || !columns.includes("id") || key.includes("\0")) return "";
  return `psql "$DATABASE_URL" -c ${shellWord(`SELECT * FROM ${table} WHERE "id" = ${sqlLiteral(key)}`)}`;
}

/**
 * Returns the command that watches the row of an event, or all events if it has none.
 *
 * @param {Item} item
 * @param {string} url of the events
 */
export function curlCommand({ payload, field, columns }, url) {
  const address = new URL(url);
  address.protocol = address.protocol.replace("ws", "http");
  address.search = "";
  if (typeof payload === "string" && columns.includes("id") && /^[a-z_]\w*$/i.test(field)) {
    const { id } = exact(payload)[field];
    const literal = typeof JSON.parse(payload)[field].id === "number" ? String(id) : typeof id === "string" ? JSON.stringify(id) : "";
    if (literal !== "") address.searchParams.set("filter", `${field}.id == ${literal}`);
  }
  return `curl -N -H 'Accept: text/event-stream' ${shellWord(address.href.replaceAll("'", "%27"))}`;
}
