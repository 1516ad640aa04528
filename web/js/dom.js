// What all elements share. Text from outside goes through textContent, never
// through markup.

// make builds an element: make("td", {class: "number"}, text or child, ...).
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  for (const child of children) element.append(child instanceof Node ? child : String(child ?? ""));
  return element;
}

// perFrame returns a function that has draw called once in the next frame, however
// often it is called itself; in a hidden tab, once in a second.
export function perFrame(draw) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    const run = () => { asked = false; draw(); };
    if (document.hidden) setTimeout(run, 1000);
    else requestAnimationFrame(run);
  };
}

export const clock = (date) => date.toLocaleTimeString([], { hour12: false });

// short formats a count so that it fits: 1,234 or 56.7k.
export function short(n) {
  if (n < 10_000) return n.toLocaleString("en");
  return n < 1e6 ? `${(n / 1e3).toFixed(1)}k` : `${(n / 1e6).toFixed(2)}M`;
}
