// Helpers of all elements. Text from outside is set as textContent, never as
// markup.

// make builds an element: make("td", {class: "number"}, text or child, ...).
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  for (const child of children) element.append(child instanceof Node ? child : String(child ?? ""));
  return element;
}

const DRAW_INTERVAL = 125; // milliseconds

// throttle returns a function that schedules a call of draw in the next frame, at most once per
// DRAW_INTERVAL; in a hidden tab, once per second.
export function throttle(draw) {
  let asked = false;
  let last = 0;
  const run = () => { asked = false; last = performance.now(); draw(); };
  return () => {
    if (asked) return;
    asked = true;
    const pause = document.hidden ? 1000 : last + DRAW_INTERVAL - performance.now();
    if (pause > 0) setTimeout(run, pause);
    else requestAnimationFrame(run);
  };
}

export const clock = (date) => date.toLocaleTimeString([], { hour12: false });

// short formats a count so that it fits: 1,234 or 56.7k.
export function short(n) {
  if (n < 10_000) return n.toLocaleString("en");
  return n < 1e6 ? `${(n / 1e3).toFixed(1)}k` : `${(n / 1e6).toFixed(2)}M`;
}

// plain returns a value of a payload as text. Objects and lists become JSON, or "…" if they are
// nested too deep. It does not call toString of an object, which a payload could define.
export function plain(value) {
  if (value === null || value === undefined) return "";
  if (typeof value !== "object") return String(value);
  try {
    return JSON.stringify(value) ?? "";
  } catch {
    return "…";
  }
}
