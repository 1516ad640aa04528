// The messages of the protocol: see ../PROTOCOL.md.

import { parse } from "./parse.js";

/** @typedef {import("./subscription.js").Selection} Selection */
/** @typedef {import("./subscription.js").Position} Position */
/** @typedef {{ type?: string, id?: string, reason?: string, [member: string]: any }} Control */

export const PROTOCOL = "eventgateway.v2";

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Returns a frame as a control message, null for a payload. Payloads in UTF-8 come as text, so a
 * binary frame in UTF-8 is never one.
 *
 * @param {string | ArrayBuffer} data
 * @returns {Control | null}
 */
export function decodeControl(data) {
  if (typeof data === "string") return null;
  try {
    return parse(UTF8.decode(data)) ?? null;
  } catch {
    return null;
  }
}

/**
 * @param {string} token
 * @returns {string[]}
 */
export const subprotocols = (token) => (token ? [PROTOCOL, `bearer.${token}`] : [PROTOCOL]);

/**
 * Returns the URL of a connection that begins with a subscription behind a position, or with none.
 *
 * @param {URL} base
 * @param {{ selection: Selection, position: Position | null } | null} first
 */
export function connectURL(base, first) {
  const url = new URL(base);
  if (!first) {
    url.searchParams.set("subscribe", "none");
    return url;
  }
  addSelection(url, first.selection);
  for (const [name, value] of Object.entries(first.position ?? {})) url.searchParams.set(name, String(value));
  return url;
}

/**
 * @param {URL} url
 * @param {Selection} selection
 */
export function addSelection(url, { channels = [], filter = "", presence = false, attributes = false, last = 0 }) {
  for (const channel of channels) url.searchParams.append("channel", channel);
  if (filter) url.searchParams.set("filter", filter);
  if (presence) url.searchParams.set("presence", "true");
  if (attributes) url.searchParams.set("attributes", "true");
  if (last) url.searchParams.set("last", String(last));
}

/**
 * @param {string} id
 * @param {Selection} selection
 * @param {Position | null} position
 */
export const subscribeMessage = (id, selection, position) => ({ type: "subscribe", ...named(id), ...selection, ...position });

/** @param {string} id */
export const unsubscribeMessage = (id) => ({ type: "unsubscribe", ...named(id) });

/** @param {string} channel */
export const presenceMessage = (channel) => ({ type: "presence", channel });

/** @param {string} id */
const named = (id) => (id ? { id } : {});
