import { clock, make } from "./dom.js";

const MAX_SHOWN = 20;

// <dead-letters> shows the latest events that could not be delivered and went to no
// dead-letter sink; its section is hidden while there are none.
class DeadLetters extends HTMLElement {
  #count = -1;

  // show fetches the list when the total count has changed.
  async show(count) {
    if (count === this.#count) return;
    this.closest("section").hidden = count === 0;
    if (count === 0) return;
    const answer = await fetch("api/dead-letters", { signal: AbortSignal.timeout(5000) });
    if (!answer.ok) return; // the next status tries again
    this.#count = count;
    const deadLetters = (await answer.json()).slice(-MAX_SHOWN).reverse();
    this.replaceChildren(make("ol", {}, ...deadLetters.map((deadLetter) => make("li", {},
      make("time", {}, clock(new Date(deadLetter.time))),
      make("span", { class: "name" }, deadLetter.component),
      make("span", { class: "detail error" }, `${deadLetter.reason}${deadLetter.attempts > 1 ? ` (${deadLetter.attempts} attempts)` : ""}`),
      make("code", { class: "detail", title: deadLetter.data }, deadLetter.data.length > 200 ? `${deadLetter.data.slice(0, 200)}…` : deadLetter.data)))));
  }
}

customElements.define("dead-letters", DeadLetters);
