import { make } from "../dom.js";

/** @typedef {{title: string, panel: HTMLElement, shown?: (is: boolean) => void}} Tab shown is called when the panel is shown or hidden */

let created = 0;

// DetailTabs shows one of several panels within a drawer. The arrow keys move between the tabs, as the pattern of the ARIA Authoring
// Practices says.
export class DetailTabs {
  #id = `detail-${++created}`; // ids are unique on a page
  #list = make("div", { role: "tablist", "aria-label": "Parts" });
  /** @type {{tab: HTMLElement, panel: HTMLElement, shown: (is: boolean) => void}[]} */
  #tabs = [];
  #open = -1;

  element = make("div", {}, this.#list);

  /** @param {Tab[]} tabs */
  constructor(tabs) {
    this.#list.addEventListener("keydown", (event) => this.#move(event));
    for (const tab of tabs) this.add(tab);
  }

  /** @param {Tab} tab */
  add({ title, panel: content, shown = () => {} }) {
    const at = this.#tabs.length, id = `${this.#id}-${at}`;
    const tab = make("button", { role: "tab", id, "aria-controls": `${id}-panel`, "aria-selected": "false", tabindex: "-1" }, title);
    const panel = make("div", { role: "tabpanel", id: `${id}-panel`, "aria-labelledby": id, hidden: "" }, content);
    tab.addEventListener("click", () => this.select(at));
    this.#tabs.push({ tab, panel, shown });
    this.#list.append(tab);
    this.element.append(panel);
    if (at === 0) this.select(0);
  }

  /** @param {number} at */
  select(at) {
    if (at === this.#open) return;
    const before = this.#tabs[this.#open], now = this.#tabs[at];
    this.#open = at;
    for (const { tab, panel } of this.#tabs) {
      tab.setAttribute("aria-selected", String(tab === now.tab));
      tab.tabIndex = tab === now.tab ? 0 : -1;
      panel.hidden = tab !== now.tab;
    }
    before?.shown(false);
    now.shown(true);
  }

  /** @param {KeyboardEvent} event */
  #move(event) {
    const n = this.#tabs.length;
    const to = { ArrowLeft: this.#open - 1, ArrowRight: this.#open + 1, Home: 0, End: n - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.select((to + n) % n);
    this.#tabs[this.#open].tab.focus();
  }
}
