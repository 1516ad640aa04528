import { locked } from "./access.js";

const EVERY = 750; // milliseconds between an answer and the next question
const WITHIN = 1750; // for an answer: with the pause before, a frozen gateway shows within three seconds
const LOCKED_EVERY = 30_000; // without the secret: another tab may get it

// StatusFeed asks the gateway for its status, again and again.
//
// Events: "status" (detail: the status), "locked" (detail: why there is none).
export class StatusFeed extends EventTarget {
  #timer = 0;
  #life = new AbortController();
  #asked = 0; // when the first question without an answer was asked; 0: each has one
  #failed = ""; // what came instead of an answer

  heard = performance.now(); // when the last answer came

  // silence returns why nothing is known at the moment, and "" where the gateway answers.
  silence(now) {
    if (this.#failed) return this.#failed;
    return this.#asked && now - this.#asked > WITHIN ? "the gateway does not answer" : "";
  }

  // ask asks now, and goes on asking.
  async ask() {
    clearTimeout(this.#timer);
    this.#life.abort();
    const { signal } = this.#life = new AbortController();
    this.#asked ||= performance.now();
    let again = EVERY;
    try {
      const answer = await fetch("api/status", { signal: AbortSignal.any([signal, AbortSignal.timeout(WITHIN)]) });
      if (answer.status === 401 || answer.status === 403) {
        again = LOCKED_EVERY;
        this.#answered();
        this.#emit("locked", answer.status === 401 ? locked : await answer.text());
      } else if (!answer.ok) {
        throw new Error(`the gateway answers ${answer.status}`);
      } else {
        const status = await answer.json();
        this.#answered();
        this.#emit("status", status);
      }
    } catch (err) {
      if (signal.aborted) return; // it was asked again meanwhile
      if (err.name !== "TimeoutError") this.#failed = err.message;
    }
    if (!signal.aborted) this.#timer = setTimeout(() => this.ask(), again);
  }

  #answered() {
    [this.heard, this.#asked, this.#failed] = [performance.now(), 0, ""];
  }

  #emit(name, detail) { this.dispatchEvent(new CustomEvent(name, { detail })); }
}
