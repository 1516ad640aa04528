/** @import { ReplayState } from "../../types/api.js" */
import { make } from "../dom.js";
import { messageOf } from "../api/request.js";
import { cancelReplay, fetchReplay } from "./letter-api.js";

const POLL = 500; // milliseconds
const PATIENCE = 120; // polls after the last letter was sent, in which queued ones may be delivered

/**
 * replayText returns a sentence with the counts of a replay.
 * @param {ReplayState} state
 */
export function replayText({ sent, delivered, failed, queued, failures, ended, canceled, error }) {
  const parts = [`${delivered} delivered`];
  if (failed) parts.push(`${failed} failed again${failures.length ? ` (${failures.length === 1 || failed === 1 ? "" : "the first: "}${failures[0].number}: ${failures[0].reason})` : ""}`);
  if (queued) parts.push(`${queued} still queued: each is removed when it is delivered`);
  if (canceled) parts.push("canceled");
  if (error) parts.push(error);
  if (ended && sent === 0 && !failed && !error) return "No dead letter was sent: none matches any more";
  return `${ended ? "" : "Sending… "}${parts.join(", ")}`;
}

// <replay-progress> follows one replay. It emits "changed" when letters may have been removed.
export class ReplayProgress extends HTMLElement {
  #text = make("p", { role: "status" });
  #cancel = make("button", { type: "button" }, "Cancel");
  #id = 0;

  connectedCallback() {
    this.replaceChildren(this.#text, this.#cancel);
    this.hidden = true;
    this.#cancel.addEventListener("click", () => cancelReplay(this.#id).then((state) => this.#show(state), (err) => this.#fail(err)));
  }

  /**
   * follow shows a replay until all its letters are delivered or have failed, or another one is followed.
   * @param {ReplayState} state
   */
  async follow(state) {
    this.#id = state.id;
    this.hidden = false;
    this.#show(state);
    let polls = 0;
    while (this.#id === state.id && this.isConnected && (!state.ended || state.queued > 0 && polls < PATIENCE)) {
      await new Promise((resolve) => setTimeout(resolve, POLL));
      if (state.ended) polls++;
      try {
        state = await fetchReplay(state.id);
      } catch (err) {
        this.#fail(err);
        return;
      }
      if (this.#id === state.id) this.#show(state);
    }
  }

  /** @param {ReplayState} state */
  #show(state) {
    const text = replayText(state);
    if (this.#text.textContent !== text) {
      this.#text.textContent = text;
      this.dispatchEvent(new CustomEvent("changed"));
    }
    this.#text.className = state.failed ? "error" : state.ended && !state.queued ? "good" : "";
    this.#cancel.hidden = Boolean(state.ended);
  }

  /** @param {unknown} err */
  #fail(err) {
    this.#text.textContent = `The replay cannot be followed: ${messageOf(err)}`;
    this.#text.className = "error";
    this.#cancel.hidden = true;
  }
}

customElements.define("replay-progress", ReplayProgress);
