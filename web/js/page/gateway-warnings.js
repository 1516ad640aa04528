import { make } from "../dom.js";

/** @import { Overview } from "../../types/api.js" */

// <gateway-warnings> shows what is wrong with the whole gateway, such as a failed reload.
class GatewayWarnings extends HTMLElement {
  /** @param {Overview} status */
  show(status) {
    const texts = [...warnings(status)];
    if (texts.join("\n") === this.#shown) return;
    this.#shown = texts.join("\n");
    this.replaceChildren(...texts.map((text) => make("p", { class: "warning" }, text)));
  }

  #shown = "";
}

/** @param {Overview} status */
function* warnings({ reload, certificates = [], conservation_broken: broken }) {
  if (reload && !reload.successful) yield `Reload failed, the running configuration stays: ${reload.error}`;
  if (reload?.restart_needed) yield `Restart needed: ${reload.restart_needed.join(", ")}`;
  for (const { listener, not_after: end, error } of certificates) {
    if (error && end) yield `The listener ${listener} has no newer certificate than the one until ${end}: ${error}`;
    else if (error) yield `The listener ${listener} has no certificate: ${error}`;
  }
  if (broken) yield `Conservation law violated, this is a bug in the gateway: ${broken}`;
}

customElements.define("gateway-warnings", GatewayWarnings);
