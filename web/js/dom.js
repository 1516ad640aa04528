// Helpers of all elements. Text from outside is set as textContent, never as
// markup.

/**
 * make builds an element: make("td", {class: "number"}, text or child, ...). Null and undefined children are empty texts.
 * @template {string} K
 * @param {K} tag
 * @param {Record<string, string | number | boolean>} attributes
 * @param {...(Node | string | number | boolean | null | undefined)} children
 * @returns {K extends keyof HTMLElementTagNameMap ? HTMLElementTagNameMap[K] : HTMLElement}
 */
export function make(tag, attributes = {}, ...children) {
  const element = /** @type {any} */ (document.createElement(tag));
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  for (const child of children) element.append(child instanceof Node ? child : String(child ?? ""));
  return element;
}

const DRAW_INTERVAL = 125; // milliseconds
const DRAW_SHARE = 5; // a draw takes at most this part of the time

/**
 * throttle returns a function that schedules a call of draw in the next frame, at most once per DRAW_INTERVAL, and more rarely where a
 * draw takes long; in a hidden tab, once per second.
 * @param {() => void} draw
 */
export function throttle(draw) {
  let asked = false;
  let next = 0;
  const run = () => {
    asked = false;
    const begin = performance.now();
    draw();
    next = begin + Math.max(DRAW_INTERVAL, DRAW_SHARE * (performance.now() - begin));
  };
  return () => {
    if (asked) return;
    asked = true;
    const pause = document.hidden ? 1000 : next - performance.now();
    if (pause > 0) setTimeout(() => { if (document.hidden) run(); else requestAnimationFrame(run); }, pause);
    else requestAnimationFrame(run);
  };
}

// toLocaleTimeString would look the format up for each date, which takes 40 times as long.
const clockFormat = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

/**
 * clock formats the time of day.
 * @param {Date} date
 */
export const clock = (date) => (isNaN(date.getTime()) ? "" : clockFormat.format(date));

/**
 * short formats a count so that it fits: 1,234 or 56.7k.
 * @param {number | undefined} n undefined counts as 0
 */
export function short(n = 0) {
  if (n < 10_000) return n.toLocaleString("en");
  return n < 1e6 ? `${(n / 1e3).toFixed(1)}k` : `${(n / 1e6).toFixed(2)}M`;
}

/**
 * plain returns a value of a payload as text. Objects and lists become JSON, or "…" if they are nested too deep. It does not call
 * toString of an object, which a payload could define.
 * @param {unknown} value
 */
export function plain(value) {
  if (value === null || value === undefined) return "";
  if (typeof value !== "object") return String(value);
  try {
    return JSON.stringify(value) ?? "";
  } catch {
    return "…";
  }
}
