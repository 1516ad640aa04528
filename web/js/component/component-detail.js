import { gatewayTime } from "../api/gateway-clock.js";
import { messageOf, request } from "../api/request.js";
import { drawCharts } from "../charts/charts-view.js";
import { history } from "../charts/history-feed.js";
import { clock, make } from "../dom.js";
import { countsOf, formatDuration, statesOf } from "../flow/component-list.js";
import { stateOf } from "../flow/component-state.js";
import "../tap/tap-view.js";
import { drawBooks, equationOf } from "./books.js";
import { DetailTabs } from "./detail-tabs.js";
import { optionsTable } from "./options-table.js";

/** @import { ComponentPage, Failure, Overview } from "../../types/api.js" */
/** @import { TapView } from "../tap/tap-view.js" */

// <component-detail> shows one component: its state, charts, books, errors and options, and the events that pass it.
export class ComponentDetail extends HTMLElement {
  /** @type {string} */
  #kind;
  /** @type {string} */
  #name;
  #state = make("p", { class: "state" });
  #links = make("p", { class: "links" });
  #charts = make("div", { class: "charts" });
  #books = make("section");
  #errors = make("section");
  #options = make("section");
  #counts = make("dl");
  #tap = /** @type {TapView} */ (document.createElement("tap-view"));
  #asked = ""; // what the description depends on
  #unwatch = () => {};

  /**
   * @param {string} kind source, transform, route or sink
   * @param {string} name
   */
  constructor(kind = "", name = "") {
    super();
    [this.#kind, this.#name] = [kind, name];
  }

  connectedCallback() {
    if (this.firstChild) return;
    const counts = make("details", {}, make("summary", {}, "All counts"), this.#counts);
    const state = make("div", {}, this.#state, this.#links, this.#charts, this.#books, counts, this.#errors);
    const tabs = new DetailTabs([{ title: "State", panel: state }, { title: "Options", panel: this.#options }]);
    if (this.#kind === "transform") counts.hidden = true;
    else {
      this.#tap.at = `${this.#kind}.${this.#name}`;
      tabs.add({ title: "Tap", panel: this.#tap, shown: (is) => { this.#tap.watching = is; } });
    }
    this.append(tabs.element);
  }

  opened() {
    this.#unwatch = history.watch(() => {
      const figures = history.components[`${this.#kind} ${this.#name}`];
      if (figures) drawCharts(this.#charts, figures, 110, `${this.#kind} ${this.#name}`);
    });
  }

  closed() {
    this.#unwatch();
    this.#tap.watching = false;
  }

  /** @param {Overview} status */
  show(status) {
    const lists = { source: status.sources, route: status.routes, sink: status.sinks };
    const component = /** @type {any} */ (lists[/** @type {"sink"} */ (this.#kind)])?.find((/** @type {{name: string}} */ c) => c.name === this.#name);
    if (component) this.#showState(component, status);
    else if (this.#kind !== "transform") this.#state.textContent = `No ${this.#kind} ${this.#name} runs.`;
    const asked = JSON.stringify([status.reload.at, component?.errors, component?.last_error_at, component?.up, component?.failing]);
    if (asked !== this.#asked) this.#describe(asked);
  }

  /**
   * @param {any} component
   * @param {Overview} status
   */
  #showState(component, status) {
    const { state, shape, words } = stateOf(component);
    const now = Date.parse(status.now);
    this.#state.dataset.state = state;
    this.#state.textContent = [`${shape} ${words || "works"}`, component.type, ...statesOf(component, now)].filter(Boolean).join(" · ");
    const equation = make("p", { class: "equation" }, equationOf(this.#kind));
    this.#books.replaceChildren(make("h3", {}, "Books"), drawBooks(this.#kind, component), equation);
    this.#counts.replaceChildren(.../** @type {[string, number][]} */ (countsOf(component)).flatMap(([name, n]) => [make("dt", {}, name), make("dd", {}, n.toLocaleString("en"))]));
    this.#showLinks(component);
  }

  /** @param {any} component */
  #showLinks({ from = [], through = [], to = [], dead_letter: parked, dead_lettered: letters = 0, lists = [] }) {
    /** @type {[string, string][]} */
    const links = [];
    for (const name of from) links.push([`component/source/${name}`, `source ${name}`]);
    for (const name of through) links.push([`component/transform/${name}`, `transform ${name}`]);
    for (const name of to) links.push([`component/sink/${name}`, `sink ${name}`]);
    const count = `${letters.toLocaleString("en")} dead ${letters === 1 ? "letter" : "letters"}`;
    if (letters > 0) links.push(parked ? [`component/sink/${parked}`, `${count} in ${parked}`] : ["dead-letters", count]);
    if (lists.includes("attempts") && document.getElementById("tab-webhooks")) links.push([`webhooks/${this.#name}`, "its latest attempts"]);
    if (lists.includes("clients") && document.getElementById("tab-clients")) links.push([`clients/${this.#name}`, "its clients"]);
    const key = JSON.stringify(links);
    if (this.#links.dataset.links === key) return; // else the focus in it would be lost
    this.#links.dataset.links = key;
    this.#links.replaceChildren(...links.flatMap(([fragment, text]) => [make("a", { href: `#${fragment}` }, text), " "]));
  }

  /** @param {string} asked */
  async #describe(asked) {
    this.#asked = asked;
    try {
      /** @type {ComponentPage} */
      const page = await (await request(`api/components/${encodeURIComponent(this.#kind)}/${encodeURIComponent(this.#name)}`)).json();
      const { config, failures, routes = [] } = page;
      if (this.#kind === "transform") this.#state.textContent = `${config.type} · in ${routes.map((name) => `route ${name}`).join(", ") || "no route"}`;
      this.#state.title = config.summary ?? "";
      this.#options.replaceChildren(...optionsTable(config));
      this.#errors.replaceChildren(make("h3", {}, "Latest errors"), ...(failures.length > 0 ? [make("ol", {}, ...failures.map(drawFailure))] : [make("p", { class: "empty" }, "None.")]));
    } catch (err) {
      this.#asked = ""; // the next status tries again
      this.#errors.replaceChildren(make("h3", {}, "Latest errors"), make("p", { class: "error" }, messageOf(err)));
    }
  }
}

/** @param {Failure} failure */
function drawFailure({ text, first, last, count }) {
  const times = count > 1 ? `${count.toLocaleString("en")} times, first at ${clock(new Date(first))}, last ` : "";
  return make("li", {}, make("p", { class: "error" }, text), make("p", {}, `${times}at ${clock(new Date(last))}, ${formatDuration(gatewayTime() - Date.parse(last))} ago`));
}

customElements.define("component-detail", ComponentDetail);
