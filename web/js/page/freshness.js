import { clock } from "../dom.js";
import { components, formatDuration } from "../flow/component-list.js";
import { summaryOf } from "../flow/component-state.js";

const CHECK_INTERVAL = 250; // milliseconds
const OLD = 5000; // milliseconds without news after which figures are old, whatever the reason

/** @typedef {import("../../types/api.d.ts").Overview} Overview */

// Freshness shows the state of the gateway in the header, the title and the icon of the tab, and beside it that of the events. It marks
// what the page shows as old if the gateway does not answer: a frozen gateway and a half-open connection give no other sign than the clock.
//
// Events: "unreachable", while there is no status because the gateway does not answer; "back", if it answers again.
export class Freshness extends EventTarget {
  #status;
  #events;
  #foreign;
  #figures;
  #flow;
  #components;
  /** @type {Overview | null} the latest status; null: none is shown */
  #shown = null;
  #outage = false; // the gateway has not answered since the last status
  #closeReason = ""; // why the gateway closed the last connection

  locked = false; // the gateway refuses the status

  /**
   * @param {object} of
   * @param {import("../api/status-feed.js").StatusFeed} of.status
   * @param {import("../api/gateway-events.js").GatewayEvents} of.events
   * @param {boolean} of.foreign the events are those of another gateway
   * @param {any} of.figures
   * @param {HTMLElement} of.flow
   * @param {any} of.components
   */
  constructor({ status, events, foreign, figures, flow, components: list }) {
    super();
    this.#status = status;
    this.#events = events;
    this.#foreign = foreign;
    this.#figures = figures;
    this.#flow = flow;
    this.#components = list;
    events.addEventListener("state", (event) => {
      const { state, text } = /** @type {CustomEvent} */ (event).detail;
      if (state === "connected") this.#closeReason = "";
      else if (!foreign) this.#closeReason = text.match(/^Disconnected \((.*?)\)/)?.[1] ?? this.#closeReason;
      this.check();
    });
    setInterval(() => this.check(), CHECK_INTERVAL);
  }

  // show shows a status that has just come.
  /** @param {Overview} status */
  show(status) {
    [this.#shown, this.locked] = [status, false];
    if (this.#outage) this.dispatchEvent(new Event("back"));
    this.#outage = false;
    this.#figures.asOf(new Date(status.now));
    const identity = /** @type {HTMLElement} */ (document.querySelector("#identity"));
    identity.textContent = `${location.host} · ${status.version} · up ${formatDuration(Date.parse(status.now) - Date.parse(status.started))}`;
    identity.title = `started ${new Date(status.started).toLocaleString()}`;
    this.check();
  }

  // lock shows that the gateway refuses the status.
  lock() {
    [this.#shown, this.locked] = [null, true];
    this.check();
  }

  check() {
    const now = performance.now();
    const silence = this.#status.silence(now);
    const ticks = ` for ${formatDuration(now - this.#status.lastAnswerAt)}`;
    this.#showEvents(now, silence);
    this.#outage ||= silence !== "";
    const isOld = silence !== "" || this.#shown !== null && now - this.#status.lastAnswerAt > OLD;
    for (const element of [this.#figures, this.#flow]) element.classList.toggle("stale", isOld);
    if (silence && !this.#shown) {
      this.dispatchEvent(new Event("unreachable"));
      this.#components.showText(`The components cannot be shown: ${silence}`);
    }
    if (this.#shown) this.#components.stale(silence && `No response${ticks}: ${silence}. The values below are of ${clock(new Date(this.#shown.now))}.`);

    const health = /** @type {import("./state-pill.js").StatePill} */ (document.querySelector("health-state"));
    if (silence) health.show({ state: "silent", text: "No response", ticks, why: [silence, this.#closeReason && `the gateway said: ${this.#closeReason}`].filter(Boolean).join("; ") });
    else if (this.#shown) health.show(healthOf(this.#shown));
    else health.hidden = true; // there is no status yet, or it needs a secret
    if (!health.hidden) showOnTab(health.dataset.state ?? "", health.textContent ?? "");
  }

  // #showEvents shows the state of the connection for the events.
  /**
   * @param {number} now
   * @param {string} silence
   */
  #showEvents(now, silence) {
    const pill = /** @type {import("./state-pill.js").StatePill} */ (document.querySelector("connection-state"));
    const { connection } = this.#events;
    const ticks = (/** @type {number} */ since) => ` for ${formatDuration(now - since)}`;
    if (connection.state === "silent") pill.show({ state: "silent", text: "No response", ticks: ticks(this.#events.lastMessageAt), why: connection.text });
    else if (silence && connection.state === "connected" && !this.#foreign) pill.show({ state: "silent", text: "No response", ticks: ticks(this.#status.lastAnswerAt), why: silence });
    else pill.show(connection);
  }
}

// healthOf returns the state of the gateway in a status.
/** @param {Overview} status */
function healthOf(status) {
  const parts = [...components(status)].map(([, component]) => component);
  const { state, reasons } = status.health;
  if (state === "ok") return { state: "well", text: `All ${parts.length} work` };
  const why = reasons.map(({ component, text }) => `${component}: ${text}`).join("\n");
  const { text, ticks } = summaryOf(parts);
  return { state: "failing", text: text || `${state === "down" ? "Down" : "Degraded"}: ${(reasons[0]?.text ?? "").split(":")[0]}`, ticks, why }; // all of it is in the title
}

// showOnTab shows the state in the title and the icon of the tab, so that it is seen while another tab is open.
/**
 * @param {string} state
 * @param {string} text
 */
function showOnTab(state, text) {
  const works = state === "well";
  document.title = works ? "Event gateway" : `✕ ${text} – Event gateway`;
  const href = works ? "icon.svg" : "icon-failing.svg";
  const icon = /** @type {HTMLLinkElement} */ (document.querySelector("link[rel=icon]"));
  if (icon.getAttribute("href") !== href) icon.setAttribute("href", href);
}
