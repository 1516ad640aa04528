import { make, short } from "./dom.js";

// <connection-state> says in colour and words how the connection is.
class ConnectionState extends HTMLElement {
  show({ state, text }) {
    this.dataset.state = state;
    this.textContent = text;
  }
}

// <key-figures> shows a few numbers; those named in alarms turn red above zero.
class KeyFigures extends HTMLElement {
  #values = new Map();

  show(name, value, alarm = false) {
    let entry = this.#values.get(name);
    if (!entry) {
      entry = make("dd");
      this.#values.set(name, entry);
      this.append(make("div", {}, make("dt", {}, name), entry));
    }
    entry.textContent = typeof value === "number" ? short(value) : value;
    entry.parentElement.classList.toggle("alarm", alarm && value > 0);
  }
}

// <component-list> shows the sources and sinks of /api/status.
class ComponentList extends HTMLElement {
  #before = new Map(); // name -> {count, at}

  connectedCallback() { this.say("Loading…"); }

  say(text) { this.replaceChildren(make("p", { class: "empty" }, text)); }

  show(status) {
    const now = performance.now();
    const list = make("ul");
    for (const s of status.sources) list.append(this.#item(s, s.emitted, now, [["gap", s.gaps], ["error", s.errors]]));
    for (const s of status.sinks) {
      list.append(this.#item(s, s.delivered, now, [["queued", s.queued], ["dropped", sum(s.dropped)], ["dead letter", s.dead_lettered], ["retry", s.retries]]));
    }
    this.replaceChildren(list);
  }

  #item(component, count, now, notes) {
    const before = this.#before.get(component.name) ?? { count, at: now - 1 };
    this.#before.set(component.name, { count, at: now });
    const rate = Math.max(0, (count - before.count) / ((now - before.at) / 1000));
    const said = notes.filter(([, n]) => n > 0).map(([name, n]) => `${short(n)} ${name}${n === 1 || name.endsWith("ed") ? "" : "s"}`);
    const item = make("li", { "data-up": component.up }, make("span", { class: "dot" }),
      make("span", { class: "name" }, component.name), make("span", { class: "rate" }, `${short(Math.round(rate))}/s`),
      make("span", { class: "detail" }, [component.type, component.up ? "up" : "down", `${short(count)} in all`, ...said].join(" · ")));
    if (!component.up && component.last_error) item.append(make("span", { class: "detail error" }, component.last_error));
    return item;
  }
}

export const sum = (numbers) => Object.values(numbers ?? {}).reduce((a, b) => a + b, 0);

customElements.define("connection-state", ConnectionState);
customElements.define("key-figures", KeyFigures);
customElements.define("component-list", ComponentList);
