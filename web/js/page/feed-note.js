import { make } from "../dom.js";
import "./token-form.js";

// <feed-note> shows that the events are a sample, and why. It lets the user choose the route, or give a token to get all events.
//
// Events: "route" (detail: the name of a route). The property useToken gets a token, and returns an error text, or "".
class FeedNote extends HTMLElement {
  #routes = /** @type {HTMLSelectElement} */ (make("select", { "aria-label": "Route whose events are shown" }));
  #why = make("span");
  #counts = make("span");
  #sample = make("p", {}, "A sample of the events, at most 20 per second, from the tap of the route ", this.#routes, this.#why, this.#counts);
  #refused = make("p");
  #form = /** @type {any} */ (make("token-form", { hidden: "" }));

  /** @type {(token: string) => string} */
  useToken = () => "";

  connectedCallback() {
    if (this.childElementCount > 0) return;
    this.#routes.addEventListener("change", () => this.dispatchEvent(new CustomEvent("route", { detail: this.#routes.value })));
    this.#form.send = (/** @type {string} */ token) => this.useToken(token);
    this.append(this.#sample, this.#refused, this.#form);
  }

  // show shows where the events come from: GatewayEvents.source.
  /** @param {{ route: string, routes: string[], why: string, needsToken: boolean }} source */
  show({ route, routes, why, needsToken }) {
    this.hidden = !route && !needsToken;
    this.#sample.hidden = !route;
    this.#refused.hidden = route !== "";
    this.#refused.textContent = `The events are refused: ${why}`;
    this.#why.textContent = `: ${why}.`;
    this.#counts.textContent = "";
    if (routes.join() !== [...this.#routes.options].map(({ value }) => value).join()) this.#routes.replaceChildren(...routes.map((name) => make("option", {}, name)));
    this.#routes.value = route;
    if (needsToken) this.#form.ask("Token of a client, or JWT");
    else this.#form.end();
  }

  // count shows how many events have passed, and how many of them were shown.
  /** @param {{ seen: number, skipped: number }} counts */
  count({ seen, skipped }) {
    this.#counts.textContent = skipped > 0 ? ` Shown: ${(seen - skipped).toLocaleString("en")} of ${seen.toLocaleString("en")}.` : "";
  }
}

customElements.define("feed-note", FeedNote);
