import { make } from "../dom.js";

/**
 * @typedef {{ id: string, title: string, element: string, available?: (status: Overview) => boolean, count?: (status: Overview) => number }} View
 * @typedef {HTMLElement & { show?: (status: Overview) => void, opened?: () => void, closed?: () => void, follow?: (item: string) => void }} ViewElement
 * @typedef {{ view: View, tab: HTMLButtonElement, panel: HTMLElement, count: HTMLElement, element: ViewElement | null }} Entry
 * @import { Overview } from "../../types/api.js"
 */

// <view-tabs> shows one view of several, chosen by a tab. The fragment of the address names the view, as in /#charts, so that a link
// leads to it and the browser's history works.
//
// A view is {id, title, element, available?, count?}: the name of its custom element, whether a status has something for it to show
// (default: always), and a count that stands beside the title. The element is created when the view is opened for the first time. It
// may have the methods show(status), called for each status while the view is open, opened() and closed(). An address such as /#events/42
// opens the view and then calls its method follow("42"), which opens the drawer.
export class ViewTabs extends HTMLElement {
  /** @type {Map<string, Entry>} */
  #views = new Map();
  #list = make("div", { role: "tablist", "aria-label": "Views" });
  #open = "";
  /** @type {Overview | null} */
  #status = null;

  /**
   * add adds a view behind the others.
   * @param {View} view
   */
  add(view) {
    const count = make("span", { class: "count", hidden: "" });
    const tab = make("button", { role: "tab", id: `tab-${view.id}`, "aria-controls": `view-${view.id}`, "aria-selected": "false", tabindex: "-1" }, view.title, count);
    const panel = make("section", { role: "tabpanel", id: `view-${view.id}`, "aria-labelledby": tab.id, tabindex: "-1", hidden: "" });
    tab.hidden = view.available !== undefined;
    tab.addEventListener("click", () => { location.hash = view.id; });
    this.#views.set(view.id, { view, tab, panel, count, element: null });
    this.#list.append(tab);
    this.append(panel);
  }

  connectedCallback() {
    this.prepend(this.#list);
    this.#list.addEventListener("keydown", (event) => this.#move(event));
    addEventListener("hashchange", () => this.#follow());
  }

  // open returns the id of the open view.
  get open() { return this.#open; }

  // start opens the view that the address names, else the first one.
  start() { this.#follow(); }

  /**
   * element returns the element of a view, which is created if the view was not open yet.
   * @param {string} id of a view that was added
   * @returns {ViewElement}
   */
  element(id) {
    const entry = /** @type {Entry} */ (this.#views.get(id));
    if (!entry.element) {
      entry.element = document.createElement(entry.view.element);
      entry.panel.append(entry.element);
    }
    return entry.element;
  }

  /**
   * show passes a status on to the open view, and shows the tabs that have something to show.
   * @param {Overview} status
   */
  show(status) {
    this.#status = status;
    for (const [id, { view, tab, count: badge }] of this.#views) {
      tab.hidden = id !== this.#open && view.available !== undefined && !view.available(status);
      const n = view.count?.(status) ?? 0;
      badge.hidden = n === 0;
      badge.textContent = n > 0 ? ` ${n.toLocaleString("en")}` : "";
    }
    this.element(this.#open).show?.(status);
  }

  #follow() {
    const [id, ...item] = location.hash.slice(1).split("/").map(decode);
    if (this.#views.has(id)) {
      this.#select(id);
      if (item.length > 0) this.element(id).follow?.(item.join("/"));
    } else if (!this.#open) this.#select([...this.#views.keys()][0]);
  }

  /** @param {string} id */
  #select(id) {
    if (id === this.#open) return;
    if (this.#open) this.element(this.#open).closed?.();
    this.#open = id;
    const element = this.element(id);
    for (const [other, { tab, panel }] of this.#views) {
      tab.setAttribute("aria-selected", String(other === id));
      tab.tabIndex = other === id ? 0 : -1;
      panel.hidden = other !== id;
    }
    element.opened?.();
    if (this.#status) this.show(this.#status);
  }

  /**
   * #move moves between the tabs by the arrow keys, as the pattern for tabs of the ARIA Authoring Practices says.
   * @param {KeyboardEvent} event
   */
  #move(event) {
    const shown = [...this.#views.values()].filter(({ tab }) => !tab.hidden);
    const at = shown.findIndex(({ tab }) => tab === document.activeElement);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: -1 }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    const { view, tab } = shown[(to + shown.length) % shown.length];
    tab.focus();
    location.hash = view.id;
  }
}

/**
 * decode decodes a part of a fragment; a malformed one stays as it is.
 * @param {string} part
 */
function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

customElements.define("view-tabs", ViewTabs);
