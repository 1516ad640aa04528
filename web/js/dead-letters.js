import { clock, make } from "./dom.js";

const SHOWN = 20;

// <dead-letters> shows the latest events that could not be delivered and went to no
// dead-letter sink; its section is hidden while there are none.
class DeadLetters extends HTMLElement {
  #count = -1;

  // show takes how many there were in all, and fetches the list when that has changed.
  async show(count) {
    if (count === this.#count) return;
    this.closest("section").hidden = count === 0;
    if (count === 0) return;
    const answer = await fetch("api/dead-letters", { signal: AbortSignal.timeout(5000) });
    if (!answer.ok) return; // it is tried again with the next status
    this.#count = count;
    const letters = (await answer.json()).slice(-SHOWN).reverse();
    this.replaceChildren(make("ol", {}, ...letters.map((letter) => make("li", {},
      make("time", {}, clock(new Date(letter.time))),
      make("span", { class: "name" }, letter.component),
      make("span", { class: "detail error" }, `${letter.reason}${letter.attempts > 1 ? ` (${letter.attempts} attempts)` : ""}`),
      make("code", { class: "detail", title: letter.data }, letter.data.length > 200 ? `${letter.data.slice(0, 200)}…` : letter.data)))));
  }
}

customElements.define("dead-letters", DeadLetters);
