import { clock } from "../dom.js";
import { components, formatDuration } from "../flow/component-list.js";
import { summaryOf } from "../flow/component-state.js";

const CHECK_INTERVAL = 250; // milliseconds

// Freshness shows the state of the gateway and of the connection in the header, the title and the icon of the tab. It marks what the
// page shows as old if the gateway does not answer: a frozen gateway and a half-open connection give no other sign than the clock.
//
// Events: "unreachable", while there is no status because the gateway does not answer; "back", if it answers again.
export class Freshness extends EventTarget {
  #status; // the StatusFeed
  #events; // the EventFeed
  #foreign; // the events are those of another gateway
  #stale; // elements whose values get old
  #components;
  #shown = null; // the latest status; null: none is shown
  #outage = false; // the gateway has not answered since the last status

  locked = false; // the gateway refuses the status

  constructor({ status, events, foreign, figures, flow, components: list }) {
    super();
    [this.#status, this.#events, this.#foreign, this.#stale, this.#components] = [status, events, foreign, [figures, flow], list];
    setInterval(() => this.check(), CHECK_INTERVAL);
  }

  // show shows a status that has just come.
  show(status) {
    [this.#shown, this.locked] = [status, false];
    if (this.#outage) this.dispatchEvent(new Event("back"));
    this.#outage = false;
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
    const duration = (since) => ` for ${formatDuration(now - since)}`;
    const pill = document.querySelector("connection-state"), health = document.querySelector("health-state");
    const { connection } = this.#events;
    if (connection.state === "silent") pill.show({ state: "silent", text: "No response", ticks: duration(this.#events.lastMessageAt), why: connection.text });
    else if (silence && connection.state === "connected" && !this.#foreign) pill.show({ state: "silent", text: "No response", ticks: duration(this.#status.lastAnswerAt), why: silence });
    else pill.show(connection);

    this.#outage ||= silence !== "";
    for (const element of this.#stale) element.classList.toggle("stale", silence !== "");
    if (!this.#shown) {
      if (silence) this.dispatchEvent(new Event("unreachable"));
      health.hidden = true;
      if (silence) this.#components.showText(`The components cannot be shown: ${silence}`);
      return;
    }
    this.#components.stale(silence && `No response${duration(this.#status.lastAnswerAt)}: ${silence}. The values below are of ${clock(new Date(this.#shown.now))}.`);
    const parts = [...components(this.#shown)].map(([, component]) => component);
    const { state, reasons } = this.#shown.health;
    const why = reasons.map(({ component, text }) => `${component}: ${text}`).join("\n");
    if (silence) health.show({ state: "silent", text: "Status unknown", why: silence });
    else if (state === "ok") health.show({ state: "well", text: `All ${parts.length} work` });
    else health.show({ state: "failing", text: summaryOf(parts) || (state === "down" ? "Down" : "Degraded"), why });
    showOnTab(health.dataset.state, health.textContent);
  }
}

// showOnTab shows the state in the title and the icon of the tab, so that it is seen while another tab is open.
function showOnTab(state, text) {
  const works = state === "well";
  document.title = works ? "Event gateway" : `✕ ${text} – Event gateway`;
  const href = works ? "icon.svg" : "icon-failing.svg";
  const icon = document.querySelector("link[rel=icon]");
  if (icon.getAttribute("href") !== href) icon.setAttribute("href", href);
}
