import { make } from "../dom.js";

/** @type {Record<string, string>} */
const TEXTS = { delivered: "✓ delivered", failed: "▲ failed", given_up: "✕ given up" };

/**
 * outcomeBadge shows what became of the event of an attempt, by shape, word and color.
 * @param {{outcome: string}} attempt
 */
export const outcomeBadge = ({ outcome }) => make("span", { class: "badge outcome", "data-outcome": outcome }, TEXTS[outcome] ?? outcome);
