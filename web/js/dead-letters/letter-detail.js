/** @import { Letter, Overview } from "../../types/api.js" */
import { make } from "../dom.js";
import { dryRunResult } from "./dry-run-result.js";
import { deleteLetters, dryRunLetter, fetchLetter, replayLetter } from "./letter-api.js";
import { messageOf } from "../api/request.js";
import { replayText } from "./replay-progress.js";

// <letter-detail> shows one dead letter in the drawer. The role admin can edit its payload, see what would become of it, send it again, and
// delete it. It emits "changed" when the letter may have been removed, and "deleted" when it was.
export class LetterDetail extends HTMLElement {
  /**
   * load shows the letter with a number. status has the places to which it can be sent, and the role.
   * @param {number} number
   * @param {Overview} status
   */
  async load(number, status) {
    this.replaceChildren(make("p", { class: "empty" }, "Loading…"));
    try {
      this.replaceChildren(...this.#content(await fetchLetter(number), status));
    } catch (err) {
      this.replaceChildren(make("p", { class: "error", role: "alert" }, messageOf(err)));
    }
  }

  /**
   * @param {Letter} letter
   * @param {Overview} status
   */
  #content(letter, status) {
    /** @type {[name: string, value: string | number | undefined][]} */
    const rows = [["Component", letter.component], ["Reason", letter.reason], ["Attempts", letter.attempts], ["Last attempt", letter.attempt_id], ["Time", letter.time], ["Source", letter.source],
      ["Channel", letter.channel], ["Key", letter.key], ["ID", letter.id], ["Time of the event", letter.event_time], ...Object.entries(letter.attrs ?? {}).map(([name, value]) => /** @type {[string, string]} */ ([`Attribute ${name}`, value]))];
    const facts = make("dl", {}, ...rows.filter(([, value]) => value !== undefined && value !== "").flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
    if (status.role !== "admin") {
      const masked = letter.masked ? [make("p", { class: "soft" }, "A transform of the route hides parts of this payload.")] : [];
      return [facts, make("h3", {}, "Payload"), ...masked, make("pre", {}, letter.hidden ?? letter.data)];
    }
    return [facts, ...this.#controls(letter, status)];
  }

  /**
   * #controls returns what the role admin can do.
   * @param {Letter} letter
   * @param {Overview} status
   */
  #controls(letter, status) {
    const payload = make("textarea", { id: "letter-payload", rows: "10", spellcheck: "false" });
    payload.value = letter.data;
    const unedited = payload.value; // a textarea changes line breaks
    const to = make("select", { id: "letter-to" }, make("option", { value: "" }, "where it has failed"),
      ...status.routes.map(({ name }) => make("option", { value: `route ${name}` }, `route ${name}, as a whole`)), ...status.sinks.map(({ name }) => make("option", { value: `sink ${name}` }, `sink ${name}`)));
    const result = make("div", { class: "result", role: "status" });
    const change = () => ({ to: to.value, ...(payload.value === unedited ? {} : { data: payload.value }) });
    /** @type {HTMLButtonElement[]} */
    const buttons = [];
    /** @type {(text: string, name: string, act: () => Promise<HTMLElement>) => HTMLButtonElement} */
    const button = (text, name, act) => {
      const element = make("button", { type: "button", ...(name ? { class: name } : {}) }, text);
      element.addEventListener("click", async () => {
        buttons.forEach((other) => { other.disabled = true; });
        result.replaceChildren(make("p", {}, "…"));
        try {
          result.replaceChildren(await act());
        } catch (err) {
          result.replaceChildren(make("p", { class: "error" }, messageOf(err)));
        }
        buttons.forEach((other) => { other.disabled = false; });
      });
      buttons.push(element);
      return element;
    };
    const replay = async () => {
      const state = await replayLetter(letter.number, change());
      this.#changed();
      return make("p", { class: state.failed ? "error" : "good" }, replayText(state));
    };
    let sure = false;
    /** @type {HTMLButtonElement} */
    const remove = button("Delete", "danger", async () => {
      if (!sure) {
        sure = true;
        remove.textContent = "Delete for good";
        return make("p", {}, "A deleted dead letter cannot be restored. Press again to delete it.");
      }
      await deleteLetters({ numbers: [letter.number] });
      this.#changed();
      this.dispatchEvent(new CustomEvent("deleted"));
      return make("p", { class: "good" }, "Deleted");
    });
    return [make("label", { for: "letter-payload" }, "Payload"), payload, make("div", { class: "actions" }, make("label", { for: "letter-to" }, "Send to"), to,
      button("Dry run", "", async () => dryRunResult(await dryRunLetter(letter.number, change()))), button("Replay", "primary", replay), remove), result];
  }

  #changed() { this.dispatchEvent(new CustomEvent("changed")); }
}

customElements.define("letter-detail", LetterDetail);
