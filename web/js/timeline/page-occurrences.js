import { gatewayTime } from "../api/gateway-clock.js";

// The occurrences of this page, such as a lost connection, which the gateway cannot know. They are stored for the tab, so that they survive a reload.

const MAX_KEPT = 50;
const KEY = `occurrences of ${location.pathname}`;

/** @type {import("../../types/api.js").Occurrence[]} */
const occurrences = read();

function read() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
    return Array.isArray(kept) ? kept : [];
  } catch {
    return []; // the browser keeps nothing for this page
  }
}

// pageOccurrences returns the occurrences of this page, the oldest first.
export const pageOccurrences = () => occurrences;

/**
 * recordOnPage records an occurrence of this page at the present time.
 * @param {"info" | "problem" | "recovery"} level
 * @param {string} text
 */
export function recordOnPage(level, text) {
  occurrences.push({ number: (occurrences.at(-1)?.number ?? 0) + 1, time: new Date(gatewayTime()).toISOString(), component: "this page", kind: "page", level, text });
  if (occurrences.length > MAX_KEPT) occurrences.shift();
  try {
    sessionStorage.setItem(KEY, JSON.stringify(occurrences));
  } catch {
    // The storage is full or disabled: the occurrence stays in memory only.
  }
}
