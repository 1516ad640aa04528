import { make } from "../dom.js";

// <connection-state> and <health-state> show a state by a color and a text.
export class StatePill extends HTMLElement {
  #text = make("span");
  #ticks = make("span", { "aria-hidden": "true" });

  connectedCallback() { this.append(this.#text, this.#ticks); }

  /**
   * show shows the text, which screen readers read when it changes, and after it ticks, which they do not.
   * @param {{ state: string, text: string, ticks?: string, why?: string }} shown
   */
  show({ state, text, ticks = "", why = "" }) {
    this.hidden = false;
    if (this.dataset.state !== state) this.dataset.state = state;
    if (this.#text.textContent !== text) this.#text.textContent = text;
    this.#ticks.textContent = ticks;
    this.title = why;
  }
}

customElements.define("connection-state", StatePill);
customElements.define("health-state", class extends StatePill {});
