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
const DRAW_SHARE = 5; // a draw takes at most this part of the time

// throttle returns a function that schedules a call of draw in the next frame, at most once per
// DRAW_INTERVAL, and more rarely where a draw takes long; in a hidden tab, once per second.
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
const time = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
export const clock = (date) => time.format(date);

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
