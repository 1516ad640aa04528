import { messageOf, request } from "../api/request.js";
import { clock, make } from "../dom.js";
import { outcomeBadge } from "./outcome.js";

/** @typedef {import("../../types/api.js").AttemptView} Attempt */
/** @typedef {import("../../types/api.js").MessageView} Message */

const SEND_TIMEOUT = 20_000; // milliseconds: the gateway waits for the attempt

// <attempt-detail> shows one attempt: what was sent, what was answered, and what follows. Its event is sent again by a button.
export class AttemptDetail extends HTMLElement {
  #path = "";
  #sink = "";

  /**
   * load fetches an attempt and shows it.
   * @param {string} sink
   * @param {string} id
   */
  async load(sink, id) {
    [this.#sink, this.#path] = [sink, `api/components/sink/${encodeURIComponent(sink)}/attempts/${encodeURIComponent(id)}`];
    this.replaceChildren(make("p", { class: "empty" }, "…"));
    try {
      this.#draw(/** @type {Attempt} */ (await (await request(this.#path)).json()));
    } catch (err) {
      this.replaceChildren(make("p", { class: "empty" }, messageOf(err)));
    }
  }

  /** @param {Attempt} a */
  #draw(a) {
    const again = /** @type {HTMLButtonElement} */ (make("button", { class: "primary" }, "Send again"));
    const result = make("p", { role: "status", class: "result" });
    again.disabled = !a.sendable;
    again.addEventListener("click", () => this.#sendAgain(again, result));
    this.replaceChildren(
      section("Attempt", listOf([["Outcome", outcomeBadge(a)], ["Called", a.target], ["Status", a.status || "no answer"], ["Time", clock(new Date(a.time))], ["Time taken", `${a.milliseconds} ms`],
        ["Attempt", a.attempt], ["Next attempt", a.next && clock(new Date(a.next))], ["Error", a.error], ["Event", a.event.id], ["Key", a.event.key], ["Source", a.event.source], ["Channel", a.event.channel], ["Events", a.count > 1 ? a.count : ""]])),
      section("Send again", make("p", {}, a.sendable
        ? "The event goes through the queue of the sink again, with the same ID, by which the receiver recognizes it."
        : "The event of this attempt was too large to be stored: emit it again at its source."), again, result),
      ...(a.request ? messageSections("Request", a.request) : []),
      ...(a.answer ? messageSections("Answer", a.answer) : []),
      ...(a.request?.hidden ? [section("Event, as viewers may see it", a.event.hidden ? make("p", {}, a.event.hidden) : make("pre", { tabindex: "0" }, a.event.payload))] : []));
  }

  /** @param {HTMLButtonElement} button @param {HTMLElement} result */
  async #sendAgain(button, result) {
    button.disabled = true;
    result.textContent = "Sending…";
    try {
      const response = await request(`${this.#path}/send-again`, { method: "POST", timeout: SEND_TIMEOUT });
      if (response.status === 202) {
        result.textContent = "The event waits in the queue of the sink. Its attempt will be in the list.";
        return;
      }
      const a = /** @type {Attempt} */ (await response.json());
      result.replaceChildren(outcomeBadge(a), ` ${a.status || "no answer"} after ${a.milliseconds} ms. `,
        make("a", { href: `#webhooks/${encodeURIComponent(this.#sink)}/${encodeURIComponent(a.id)}` }, "Show this attempt"));
    } catch (err) {
      result.textContent = `It was not sent: ${messageOf(err)}`;
    } finally {
      button.disabled = false;
    }
  }
}

/** @param {string} title @param {...Node} content */
const section = (title, ...content) => make("section", {}, make("h3", {}, title), ...content);

/** @param {[string, any][]} pairs */
const listOf = (pairs) => make("dl", {}, ...pairs.filter(([, value]) => value !== null && value !== undefined && value !== "")
  .flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));

/** @param {string} title @param {Message} message */
function messageSections(title, message) {
  if (message.hidden) return [section(title, make("p", {}, message.hidden))];
  const notes = [message.bytes >= 0 ? `${message.bytes.toLocaleString("en")} bytes` : "", message.encoding ?? "", message.truncated ? "only the beginning is shown" : ""].filter(Boolean);
  return [
    section(`${title} headers`, message.header.length === 0 ? make("p", {}, "None.") : make("table", {}, make("tbody", {},
      ...message.header.map(({ name, value }) => make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, value)))))),
    section(`${title} body`, make("p", {}, notes.join(", ")), ...(message.body ? [make("pre", { tabindex: "0" }, message.body)] : [])),
  ];
}

customElements.define("attempt-detail", AttemptDetail);
