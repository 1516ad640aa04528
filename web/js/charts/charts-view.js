import { make } from "../dom.js";
import { timeline } from "../timeline/timeline-feed.js";
import { CHARTS, formatFigure, nameOf } from "./figures.js";
import { history } from "./history-feed.js";
import { LineChart } from "./line-chart.js";

/** @typedef {import("./history-feed.js").Figures} Figures */

// <charts-view> shows the last 15 minutes of the gateway or of one component, and the latest figures of all of them as a table.
class ChartsView extends HTMLElement {
  #of = /** @type {HTMLSelectElement} */ (make("select"));
  #charts = make("div", { class: "charts" });
  #table = make("tbody");
  #columns = ["in", "out", "queued", "in_flight", "p50", "p99", "errors", "dead_letters", "gaps", "clients"];
  #unwatch = () => {};

  connectedCallback() {
    if (this.firstChild) return;
    const head = make("tr", {}, make("th", { scope: "col" }, "Latest second"), ...this.#columns.map((figure) => make("th", { scope: "col", class: "number" }, `${nameOf(figure)}${/^p\d/.test(figure) ? " ms" : ""}`)));
    this.append(make("div", { class: "filters" }, make("label", {}, "Charts of ", this.#of), make("span", {}, "Dashed vertical lines are outages, gaps, reloads and restarts: see Timeline.")), this.#charts,
      make("div", { class: "card latest", tabindex: "0", role: "region", "aria-label": "Latest figures" }, make("table", {}, make("thead", {}, head), this.#table)));
    this.#of.addEventListener("change", () => this.#draw());
  }

  opened() { this.#unwatch = history.watch(() => this.#draw()); }

  closed() { this.#unwatch(); }

  #draw() {
    const names = Object.keys(history.components);
    const chosen = this.#of.value;
    const options = ["", ...names];
    if (options.length !== this.#of.options.length || options.some((name, i) => name !== this.#of.options[i].value)) {
      this.#of.replaceChildren(...options.map((name) => make("option", { value: name }, name || "the whole gateway")));
      this.#of.value = names.includes(chosen) ? chosen : "";
    }
    const shown = this.#of.value;
    drawCharts(this.#charts, shown ? history.components[shown] : history.total, 170, shown);
    this.#table.replaceChildren(...[["the whole gateway", history.total], ...Object.entries(history.components)].map(([name, figures]) =>
      make("tr", {}, make("th", { scope: "row" }, /** @type {string} */ (name)), ...this.#columns.map((figure) => make("td", { class: "number" }, formatFigure(/** @type {Figures} */ (figures)[figure]?.at(-1)))))));
  }
}

/**
 * drawCharts draws the charts of the figures that a component has, in the same elements each time.
 * @param {HTMLElement} into
 * @param {Figures} figures
 * @param {number} height
 * @param {string} component whose occurrences are marked; "" for all
 */
export function drawCharts(into, figures, height, component) {
  const marks = timeline.all().filter((o) => o.level !== "info" || o.kind === "reload").filter((o) => !component || o.component === component || o.kind === "gateway" || o.kind === "reload")
    .map(({ time, level }) => ({ at: Date.parse(time) / 1000, level }));
  const charts = CHARTS.map(({ title, unit, figures: names }) => ({ title, unit, names: names.filter((name) => figures[name]) })).filter(({ names }) => names.length > 0 && (names[0] !== "clients" || figures.clients.some((n) => n !== null)));
  const key = charts.map(({ names }) => names.join()).join(";");
  if (into.dataset.charts !== key) {
    into.dataset.charts = key;
    into.replaceChildren(...charts.map(({ title, unit, names }) => new LineChart().describe(title, unit, names, height)));
  }
  for (const chart of into.children) if (chart instanceof LineChart) chart.draw(figures, history.count, history.end, marks);
}

customElements.define("charts-view", ChartsView);
