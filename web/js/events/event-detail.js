import { clock, make, plain } from "../dom.js";
import { sideDrawer } from "../page/side-drawer.js";
import { formatDuration } from "../flow/component-list.js";
import { changesOf } from "./changes.js";
import { curlCommand, psqlCommand } from "./commands.js";
import { hexDump } from "./hex.js";
import { jsonTree } from "./json-tree.js";
import { exact } from "./payload.js";
import { timeOf } from "./event-table.js";

/** @typedef {import("./payload.js").Item} Item */

const MAX_BYTES = 64 << 10; // of the payload that are shown
const AGE_INTERVAL = 1000; // milliseconds

/**
 * <event-detail> shows one event: what it has changed, its payload as a tree and in bytes, its attributes, and commands to copy.
 */
export class EventDetail extends HTMLElement {
  #age = make("dd");
  #timer = 0;
  /** @type {Item | null} */
  #item = null;

  connectedCallback() {
    this.#timer = setInterval(() => this.#showAge(), AGE_INTERVAL);
    this.#showAge();
  }

  disconnectedCallback() { clearInterval(this.#timer); }

  /** Shows an event. @param {Item} item @param {string} url of the events; "" if there are none */
  present(item, url) {
    this.#item = item;
    const changes = changesOf(item);
    this.replaceChildren(
      section("About", listOf([["Operation", item.left ? `${item.operation}, the row has left the filter` : item.operation], [item.ofTable ? "Table" : "Channel", item.tab], ["Key", item.key], ["Came", clock(new Date(item.at))]], make("dt", {}, "Age"), this.#age)),
      ...(changes ? [section(`Changed since the last version (${changes.length})`, changesTable(changes))] : []),
      ...payloadSections(item),
      ...(item.attributes ? [section("Attributes", listOf(attributesOf(item.attributes)))] : []),
      ...[["Watch by curl", url && curlCommand(item, url)], ["Look up by psql", psqlCommand(item)]].filter(([, text]) => text).map(([title, text]) => section(title, copyable(text, "command"))));
    this.#showAge();
  }

  #showAge() { if (this.#item) this.#age.textContent = `${formatDuration(Date.now() - timeOf(this.#item).getTime())} ago`; }
}

/** @param {string} title @param {...Node} content */
const section = (title, ...content) => make("section", {}, make("h3", {}, title), ...content);

/** @param {[string, any][]} pairs @param {...Node} more */
const listOf = (pairs, ...more) => make("dl", {}, ...pairs.filter(([, value]) => value !== null && value !== undefined && value !== "")
  .flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, plain(value))]), ...more);

/** @param {any} attributes @returns {[string, any][]} */
const attributesOf = ({ attrs = {}, ...own }) => [...Object.entries(own), ...Object.entries(attrs)];

/** @param {import("./changes.js").Change[]} changes */
const changesTable = (changes) => (changes.length === 0 ? make("p", {}, "No field of the row.") : make("table", {},
  make("thead", {}, make("tr", {}, ...["Field", "Before", "After"].map((title) => make("th", { scope: "col" }, title)))),
  make("tbody", {}, ...changes.map(({ field, before, after }) => make("tr", {}, make("th", { scope: "row" }, field),
    make("td", {}, before === undefined ? "–" : plain(before)), make("td", {}, after === undefined ? "–" : plain(after)))))));

/** @param {Item} item */
function payloadSections({ payload }) {
  const hex = make("pre", { tabindex: "0" }, "…");
  const bytes = typeof payload === "string" ? Promise.resolve(new TextEncoder().encode(payload).buffer) : payload.arrayBuffer();
  const count = make("p", {}, "…");
  bytes.then((buffer) => {
    const all = new Uint8Array(buffer);
    count.textContent = `${all.length.toLocaleString("en")} bytes${all.length > MAX_BYTES ? `, the first ${MAX_BYTES.toLocaleString("en")} are shown` : ""}`;
    hex.textContent = hexDump(all.subarray(0, MAX_BYTES));
  });
  const dump = section("Hex", count, hex);
  if (typeof payload !== "string") return [dump];
  const text = section("Exact text", copyable(payload.slice(0, MAX_BYTES), "text", payload));
  try {
    return [section("Payload", jsonTree(exact(payload))), text, dump];
  } catch {
    return [text, dump]; // it is no JSON, or is nested too deep
  }
}

/** @param {string} shown @param {string} what @param {string} text that is copied */
function copyable(shown, what, text = shown) {
  const pre = make("pre", { tabindex: "0", class: what }, shown);
  const button = make("button", {}, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch { // the browser allows no access, as outside of https
      getSelection()?.selectAllChildren(pre);
      button.textContent = "Selected: press Ctrl+C";
    }
  });
  return make("div", { class: "copyable" }, pre, button);
}

customElements.define("event-detail", EventDetail);

/** Opens the drawer with an event. @param {Item} item @param {string} url of the events; "" if there are none */
export function showEvent(item, url) {
  const detail = /** @type {EventDetail} */ (make("event-detail"));
  detail.present(item, url);
  sideDrawer().open(`${item.operation.slice(0, 40)} ${item.tab} ${item.key ?? ""}`, detail);
}
