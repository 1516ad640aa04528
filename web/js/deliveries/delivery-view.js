import { messageOf, request } from "../api/request.js";
import { clock, make, short } from "../dom.js";
import { sideDrawer } from "../page/side-drawer.js";
import { AttemptDetail } from "./attempt-detail.js";
import { outcomeBadge } from "./outcome.js";

/** @typedef {import("../../types/api.js").AttemptView} Attempt */
/** @typedef {import("../../types/api.js").Overview} Overview */

// hasAttempts reports whether a sink of a status has a list of attempts.
export const hasAttempts = (/** @type {Overview} */ status) => status.sinks.some(listsAttempts);
const listsAttempts = (/** @type {Overview["sinks"][number]} */ sink) => Boolean(sink.lists?.includes("attempts"));

// <delivery-view> shows the latest attempts of a sink to deliver events, the latest first. One is opened in the drawer, with its request and
// its answer, and its event is sent again from there.
class DeliveryView extends HTMLElement {
  #sink = /** @type {HTMLSelectElement} */ (make("select"));
  #outcome = /** @type {HTMLSelectElement} */ (make("select", {}, ...[["", "all"], ["failed", "failed"], ["delivered", "delivered"]].map(([value, text]) => make("option", { value }, text))));
  #filters = make("div", { class: "filters" }, make("label", {}, "Sink ", this.#sink), make("label", {}, "Outcome ", this.#outcome));
  #rows = make("tbody");
  #table = make("table", {}, make("thead", {}, make("tr", {}, ...["Time", "Event", "Outcome", "Status", "Time taken", "Attempt", "Next", "Error"].map((title) => make("th", { scope: "col" }, title)))), this.#rows);
  #scroll = make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Attempts" }, this.#table);
  #note = make("p", { class: "empty" });
  #busy = false;
  /** @type {Map<string, HTMLElement>} */
  #shown = new Map(); // rows by the ID of the attempt
  /** @type {Attempt[]} */
  #attempts = [];
  #wanted = ""; // the sink to show with the next status

  connectedCallback() {
    if (this.firstChild) return;
    this.append(this.#filters, this.#scroll, this.#note);
    this.#sink.addEventListener("change", () => { this.#clear(); this.#fetch(); });
    this.#outcome.addEventListener("change", () => this.#draw());
  }

  /** @param {Overview} status */
  show(status) {
    const names = status.sinks.filter(listsAttempts).map((sink) => sink.name), chosen = this.#sink.value;
    const wanted = this.#wanted;
    this.#wanted = "";
    if (names.join() !== [...this.#sink.options].map((option) => option.value).join()) {
      this.#sink.replaceChildren(...names.map((name) => make("option", { value: name }, name)));
      this.#sink.value = names.includes(chosen) ? chosen : names[0] ?? "";
    }
    if (names.includes(wanted)) this.#sink.value = wanted;
    if (this.#sink.value !== chosen) this.#clear();
    this.#fetch();
  }

  /**
   * follow shows a sink, or opens an attempt in the drawer.
   * @param {string} item the sink, and the ID of the attempt
   */
  async follow(item) {
    const [sink, id] = item.split("/");
    if (id === undefined) {
      this.#wanted = sink;
      return;
    }
    const detail = new AttemptDetail();
    sideDrawer().open(`Attempt ${id}`, detail, `webhooks/${sink}/${id}`);
    await detail.load(sink, id);
  }

  async #fetch() {
    const sink = this.#sink.value;
    if (!sink || this.#busy) {
      this.#showNote();
      return;
    }
    this.#busy = true;
    try {
      const list = /** @type {import("../../types/api.js").AttemptList} */ (await (await request(`api/components/sink/${sink}/attempts`)).json());
      if (sink !== this.#sink.value) return;
      this.#attempts = list.attempts;
      this.#draw();
    } catch (err) {
      this.#showNote(`The attempts cannot be shown: ${messageOf(err)}`);
    } finally {
      this.#busy = false;
    }
  }

  #clear() {
    this.#attempts = [];
    this.#draw();
  }

  // #draw reuses the rows of listed attempts, so that the focus and a selection stay.
  #draw() {
    const outcome = this.#outcome.value, sink = this.#sink.value;
    const matching = this.#attempts.filter((a) => !outcome || (a.outcome === "delivered") === (outcome === "delivered"));
    const rows = new Map(matching.map((a) => [`${sink}/${a.id}`, this.#shown.get(`${sink}/${a.id}`) ?? row(sink, a)]));
    for (const [key, element] of this.#shown) if (!rows.has(key)) element.remove();
    /** @type {Element | null} */
    let place = this.#rows.firstElementChild;
    for (const element of rows.values()) {
      if (element === place) place = place.nextElementSibling;
      else this.#rows.insertBefore(element, place);
    }
    this.#shown = rows;
    this.#showNote();
  }

  #showNote(text = "") {
    const none = this.#shown.size === 0;
    this.#scroll.hidden = none;
    this.#note.textContent = text || (none ? "No attempts yet. The latest 200 of each sink appear here, since the start of the gateway." : "");
    this.#note.hidden = !this.#note.textContent;
  }
}

/** @param {string} sink @param {Attempt} attempt */
function row(sink, attempt) {
  const { id, time, event, outcome, status, milliseconds, attempt: number, next, error, count } = attempt;
  const name = event.id || `${event.channel} ${clock(new Date(event.time))}`;
  return make("tr", { "data-outcome": outcome },
    make("td", {}, make("time", { datetime: time, title: time }, clock(new Date(time)))),
    make("td", {}, make("a", { href: `#webhooks/${encodeURIComponent(sink)}/${encodeURIComponent(id)}`, title: name }, name), count > 1 ? ` and ${count - 1} more` : ""),
    make("td", {}, outcomeBadge(attempt)),
    make("td", {}, status || "–"),
    make("td", {}, `${short(Math.round(milliseconds))} ms`),
    make("td", {}, number),
    make("td", {}, next ? clock(new Date(next)) : "–"),
    make("td", { class: "error", title: error ?? "" }, error ?? ""));
}

customElements.define("delivery-view", DeliveryView);
