import { request } from "../api/request.js";
import { clock, make } from "../dom.js";

const MAX_SHOWN = 20;

// <dead-letter-view> shows the latest events that could not be delivered and went to no dead-letter sink.
class DeadLetterView extends HTMLElement {
  #count = -1;

  // show fetches the list when the total count has changed.
  async show({ dead_letters: count }) {
    if (count === this.#count) return;
    const asked = this.#count;
    this.#count = count;
    try {
      const deadLetters = count > 0 ? await (await request("api/dead-letters")).json() : [];
      this.#render(deadLetters.slice(-MAX_SHOWN).reverse());
    } catch {
      this.#count = asked; // the next status tries again
    }
  }

  #render(deadLetters) {
    if (deadLetters.length === 0) {
      this.replaceChildren(make("p", { class: "empty" }, "No dead letters."));
      return;
    }
    this.replaceChildren(make("ol", {}, ...deadLetters.map((deadLetter) => make("li", {},
      make("time", {}, clock(new Date(deadLetter.time))),
      make("span", { class: "name" }, deadLetter.component),
      make("span", { class: "detail error" }, `${deadLetter.reason}${deadLetter.attempts > 1 ? ` (${deadLetter.attempts} attempts)` : ""}`),
      make("code", { class: "detail", title: deadLetter.data }, deadLetter.data.length > 200 ? `${deadLetter.data.slice(0, 200)}…` : deadLetter.data)))));
  }
}

customElements.define("dead-letter-view", DeadLetterView);
