import { clock, make } from "../dom.js";
import { formatFigure, nameOf } from "./figures.js";

/** @typedef {{at: number, level: string}} Mark at is in seconds since 1970 */

const SHORTEST = 120; // seconds that a chart spans, soon after the start of the gateway
const COLORS = ["--accent", "--good", "--bad"];
const DASHES = [[], [5, 3], [2, 3]];

const dark = matchMedia("(prefers-color-scheme: dark)");

// <line-chart> draws figures of the last 15 minutes by uPlot, which is loaded for the first chart. Seconds without a figure are a gap.
// The values under the cursor, or the latest, stand in its legend.
export class LineChart extends HTMLElement {
  #title = make("h3");
  #legend = make("p", { class: "legend" });
  #canvas = make("div", { class: "plot", role: "img" });
  #height = 150;
  /** @type {string[]} */
  #figures = [];
  /** @type {any} */
  #plot = null;
  /** @type {(number | null)[][]} */
  #data = [];
  /** @type {Mark[]} */
  #marks = [];
  /** @type {number | null} */
  #cursor = null;
  #loading = false;
  #resize = new ResizeObserver(() => this.#fit());
  #repaint = () => this.#plot?.redraw(false);

  /**
   * @param {string} title
   * @param {string} unit
   * @param {string[]} figures their names in the history
   * @param {number} [height] in pixels
   */
  describe(title, unit, figures, height = 150) {
    [this.#figures, this.#height] = [figures, height];
    this.#title.replaceChildren(title, make("small", {}, ` ${unit}`));
    this.#canvas.setAttribute("aria-label", `${title}, ${unit}, over the last 15 minutes: ${figures.map(nameOf).join(", ")}. The latest values stand above it.`);
    return this;
  }

  connectedCallback() {
    if (!this.firstChild) this.append(this.#title, this.#legend, this.#canvas);
    this.#resize.observe(this.#canvas);
    dark.addEventListener("change", this.#repaint);
  }

  disconnectedCallback() {
    this.#resize.disconnect();
    dark.removeEventListener("change", this.#repaint);
    this.#plot?.destroy();
    this.#plot = null;
  }

  /**
   * draw shows the figures of count seconds up to end, in milliseconds since 1970.
   * @param {Record<string, (number | null)[]>} figures
   * @param {number} count
   * @param {number} end
   * @param {Mark[]} marks
   */
  draw(figures, count, end, marks) {
    const last = Math.round(end / 1000);
    this.#data = [Array.from({ length: count }, (_, i) => last - count + 1 + i), ...this.#figures.map((name) => figures[name] ?? new Array(count).fill(null))];
    this.#marks = marks;
    if (this.#plot) this.#plot.setData(this.#data);
    else this.#create();
    this.#showValues();
  }

  async #create() {
    if (this.#loading) return;
    this.#loading = true;
    const { default: uPlot } = /** @type {{default: any}} */ (await import("./uplot.js"));
    this.#loading = false;
    if (!this.isConnected || this.#plot) return;
    const style = getComputedStyle(this);
    /** @param {string} name */
    const color = (name) => () => style.getPropertyValue(name).trim();
    const font = "11px system-ui, sans-serif";
    const axis = { stroke: color("--soft"), font, grid: { stroke: color("--line"), width: 1 }, ticks: { show: false } };
    this.#plot = new uPlot({
      width: Math.max(this.#canvas.clientWidth, 100), height: this.#height, legend: { show: false }, padding: [6, 8, 0, 0],
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 }, sync: { key: "charts" } },
      scales: {
        x: { range: () => this.#span() },
        y: { range: (/** @type {any} */ _, /** @type {number} */ __, /** @type {number | null} */ max) => [0, max ? max * 1.1 : 1] },
      },
      axes: [
        { ...axis, size: 22, space: 90, values: (/** @type {any} */ _, /** @type {number[]} */ seconds) => seconds.map((s) => clock(new Date(s * 1000)).slice(0, 5)) },
        { ...axis, size: 46, space: 32, values: (/** @type {any} */ _, /** @type {number[]} */ values) => values.map(formatFigure) },
      ],
      series: [{}, ...this.#figures.map((name, i) => ({ label: name, stroke: color(COLORS[i]), dash: DASHES[i], width: 1.5, points: { show: () => false, filter: isolated, size: 4, fill: color(COLORS[i]) } }))],
      hooks: {
        draw: [(/** @type {any} */ plot) => this.#drawMarks(plot, color)],
        setCursor: [(/** @type {any} */ plot) => { this.#cursor = plot.cursor.idx ?? null; this.#showValues(); }],
      },
    }, this.#data, this.#canvas);
    this.#fit();
  }

  #span() {
    const last = /** @type {number} */ (this.#data[0].at(-1));
    return [last - Math.max(this.#data[0].length, SHORTEST) + 1, last];
  }

  #fit() {
    const width = this.#canvas.clientWidth;
    if (this.#plot && width > 0 && width !== this.#plot.width) this.#plot.setSize({ width, height: this.#height });
  }

  /**
   * @param {any} plot
   * @param {(name: string) => () => string} color
   */
  #drawMarks({ ctx, bbox, scales: { x }, valToPos }, color) {
    ctx.save();
    ctx.setLineDash([3, 3]);
    ctx.lineWidth = devicePixelRatio;
    for (const { at, level } of this.#marks) {
      if (at < x.min || at > x.max) continue;
      ctx.strokeStyle = color(level === "problem" ? "--bad" : level === "recovery" ? "--good" : "--soft")();
      const left = Math.round(valToPos(at, "x", true));
      ctx.beginPath();
      ctx.moveTo(left, bbox.top);
      ctx.lineTo(left, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  }

  #showValues() {
    const [times, ...columns] = this.#data;
    if (!times) return;
    const at = this.#cursor ?? times.length - 1;
    this.#legend.replaceChildren(...this.#figures.map((name, i) => make("span", { class: `series s${i}` }, `${nameOf(name)} `, make("b", {}, formatFigure(columns[i][at])))),
      this.#cursor === null ? "" : make("span", {}, clock(new Date(/** @type {number} */ (times[at]) * 1000))));
  }
}

// isolated returns where a line would show nothing: the indexes of figures between two gaps.
function isolated(/** @type {any} */ plot, /** @type {number} */ series) {
  /** @type {(number | null)[]} */
  const values = plot.data[series];
  return values.flatMap((value, i) => (value !== null && (values[i - 1] ?? null) === null && (values[i + 1] ?? null) === null ? [i] : []));
}

customElements.define("line-chart", LineChart);
