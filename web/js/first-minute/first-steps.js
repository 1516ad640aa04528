import { request } from "../api/request.js";
import { make } from "../dom.js";
import { commandsFor } from "./commands.js";
import { copyLine } from "./copy-line.js";

const PATIENCE = 3000; // milliseconds without an event after which the page asks for hints
const INTERVAL = 60_000; // milliseconds between two requests for hints

// <first-steps> shows a visitor who sees no events what makes some, and what the sources lack, such as a trigger.
class FirstSteps extends HTMLElement {
  #commands = make("div");
  #hints = make("div", { class: "hints" });
  #shown = ""; // the commands
  #askAt = performance.now() + PATIENCE;

  connectedCallback() {
    if (this.childElementCount > 0) return;
    this.append(this.#hints, this.#commands);
  }

  // show shows what fits a status. Without events it asks for hints.
  /** @param {any} status */
  show(status) {
    const commands = commandsFor(status, new URL(".", location.href).href);
    const key = JSON.stringify(commands);
    if (key !== this.#shown) this.#commands.replaceChildren(...commands.flatMap(({ title, command }) => [make("h3", {}, title), copyLine(command)]));
    this.#shown = key;
    if (this.hidden || document.hidden || performance.now() < this.#askAt) return;
    this.#askAt = performance.now() + INTERVAL;
    this.#ask();
  }

  async #ask() {
    try {
      const hints = await (await request("api/hints", { timeout: 60_000 })).json();
      this.#hints.replaceChildren(...hints.flatMap((/** @type {{ source: string, text: string, fix?: string }} */ { source, text, fix }) =>
        [make("p", {}, `${source}: ${text}`), ...(fix ? [copyLine(fix)] : [])]));
    } catch {
      this.#hints.replaceChildren(); // the state at the top shows the problem
    }
  }
}

customElements.define("first-steps", FirstSteps);
