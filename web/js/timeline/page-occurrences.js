import { gatewayTime } from "../api/gateway-clock.js";

// What has happened to the connection of this page, which the gateway cannot know. It is kept for the tab, so that it survives F5.

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

// pageOccurrences returns what has happened, the oldest first.
export const pageOccurrences = () => occurrences;

/**
 * recordOnPage records what has happened to this page now.
 * @param {"info" | "problem" | "recovery"} level
 * @param {string} text
 */
export function recordOnPage(level, text) {
  occurrences.push({ number: (occurrences.at(-1)?.number ?? 0) + 1, time: new Date(gatewayTime()).toISOString(), component: "this page", kind: "page", level, text });
  if (occurrences.length > MAX_KEPT) occurrences.shift();
  try {
    sessionStorage.setItem(KEY, JSON.stringify(occurrences));
  } catch {
    // It is kept in memory only.
  }
}
