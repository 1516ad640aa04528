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

// <component-list> shows the sources and sinks of /api/status, and what is wrong with
// the configuration.
class ComponentList extends HTMLElement {
  #before = new Map(); // name -> {count, at}

  connectedCallback() { this.say("Loading…"); }

  say(text) { this.replaceChildren(make("p", { class: "empty" }, text)); }

  show(status) {
    const now = performance.now();
    const list = make("ul");
    for (const s of status.sources) {
      list.append(this.#item(s, s.emitted, now, [...leaderStates(s.leader), ...(s.stalled ? ["stalled"] : [])],
        [["unsettled", s.outstanding], ["given back", s.nacked], ["gap", s.gaps - s.gaps_at_start], ["passed-on gap", s.gaps_passed_on], ["error", s.errors], ["panic", s.panics]],
        `${s.emitted} emitted = ${s.acked} acked + ${s.nacked} given back + ${s.outstanding} unsettled`));
    }
    for (const s of status.sinks) {
      const dropped = sum(s.dropped);
      list.append(this.#item(s, s.delivered, now, breakers[s.breaker.state],
        [["queued", s.queued], ["waiting to be retried", s.retrying], ["held back", s.held_back], ["dropped", dropped], ["dead letter", s.dead_lettered], ["given back", s.returned], ["retry", s.retries], ["panic", s.panics]],
        `${s.in} in = ${s.delivered} delivered + ${dropped} dropped + ${s.dead_lettered} dead letters + ${s.returned} given back + ${s.queued} queued + ${s.writing} being written`));
    }
    this.replaceChildren(...warnings(status), list);
  }

  #item(component, count, now, states, notes, books) {
    const before = this.#before.get(component.name) ?? { count, at: now - 1 };
    this.#before.set(component.name, { count, at: now });
    const rate = Math.max(0, (count - before.count) / ((now - before.at) / 1000));
    const said = notes.filter(([, n]) => n > 0).map(([name, n]) => `${short(n)} ${plural(name, n)}`);
    const item = make("li", { "data-up": component.up, title: books }, make("span", { class: "dot" }),
      make("span", { class: "name" }, component.name), make("span", { class: "rate" }, `${short(Math.round(rate))}/s`),
      make("span", { class: "detail" }, [component.type, component.up ? "up" : "down", ...states, `${short(count)} in all`, ...said].join(" · ")));
    if (!component.up && component.last_error) item.append(make("span", { class: "detail error" }, component.last_error));
    if (component.stalled) item.append(make("span", { class: "detail error" }, `stalled: ${component.stalled.reason}`));
    return item;
  }
}

// leaderStates says who captures, of several gateways.
function leaderStates(leader) {
  if (!leader) return [];
  return leader.holder ? [leader.state, `the lock is held by ${leader.holder}, which cannot lead`] : [leader.state];
}

// warnings says what an operator must know beside the components.
function* warnings({ reload, conservation_broken: broken }) {
  if (reload && !reload.successful) yield make("p", { class: "warning" }, `The configuration that was loaded last is not used: ${reload.error}`);
  if (reload?.restart_needed) yield make("p", { class: "warning" }, `Restart needed: ${reload.restart_needed.join(", ")}`);
  if (broken) yield make("p", { class: "warning" }, `The books do not balance, which is a bug in the gateway: ${broken}`);
}

// breakers says in words whether a sink is written to.
const breakers = { closed: [], open: ["breaker open"], half_open: ["trying again"], disabled: ["disabled by its receiver"] };

const plural = (name, n) => (n === 1 || /(ed|back)$/.test(name) ? name : name === "retry" ? "retries" : `${name}s`);

export const sum = (numbers) => Object.values(numbers ?? {}).reduce((a, b) => a + b, 0);

customElements.define("connection-state", ConnectionState);
customElements.define("key-figures", KeyFigures);
customElements.define("component-list", ComponentList);
