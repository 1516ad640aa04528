import { openSession, secretOfLink } from "./api/access.js";
import { setGatewayTime } from "./api/gateway-clock.js";
import { GatewayEvents } from "./api/gateway-events.js";
import { StatusFeed } from "./api/status-feed.js";
import "./charts/charts-view.js";
import { hasClients } from "./clients/client-view.js";
import { followAddresses } from "./component/follow.js";
import "./dead-letters/dead-letter-view.js";
import { hasAttempts } from "./deliveries/delivery-view.js";
import { clock, throttle } from "./dom.js";
import "./events/event-view.js";
import "./first-minute/demo-bar.js";
import "./first-minute/first-steps.js";
import "./flow/component-list.js";
import "./flow/flow-graph.js";
import "./page/feed-note.js";
import { Freshness } from "./page/freshness.js";
import "./page/gateway-warnings.js";
import "./page/key-figures.js";
import "./page/side-drawer.js";
import "./page/state-pill.js";
import "./page/view-tabs.js";
import { recordOnPage } from "./timeline/page-occurrences.js";
import { timeline } from "./timeline/timeline-feed.js";
import "./timeline/timeline-view.js";

const RATE_INTERVAL = 2000; // milliseconds

/** @type {(selector: string) => any} */
const $ = (selector) => document.querySelector(selector);
const figures = $("key-figures"), components = $("component-list"), flow = $("flow-graph"), tabs = $("view-tabs"), drawer = $("side-drawer");
const page = new URL(".", location.href).href.replace(/^http/, "ws"); // also below a path of a proxy
const asked = new URLSearchParams(location.search).get("ws"); // the address of events of another gateway
const status = new StatusFeed(), events = new GatewayEvents(asked ?? "", page);

tabs.add({ id: "events", title: "Events", element: "event-view" });
tabs.add({ id: "charts", title: "Charts", element: "charts-view" });
tabs.add({ id: "timeline", title: "Timeline", element: "timeline-view" });
tabs.add({ id: "dead-letters", title: "Dead letters", element: "dead-letter-view", count: (/** @type {import("../types/api.js").Overview} */ status) => status.dead_letter_store?.held ?? status.dead_letters });
tabs.add({ id: "webhooks", title: "Webhooks", element: "delivery-view", available: hasAttempts });
tabs.add({ id: "clients", title: "Clients", element: "client-view", available: hasClients });
/** @type {any} */
const eventView = tabs.element("events"); // it receives events also while another view is open

if (asked !== null) { // else a link could pass off another server's events as those of this one
  const server = $("#server");
  server.textContent = `Events of ${asked}`;
  server.hidden = false;
}

// Events.

let begun = false, received = 0, gapsReceived = 0, arrivals = 0, rateSince = performance.now();
const drawCount = throttle(() => figures.show("Events received", received));
figures.show("Events received", 0);
figures.show("Events per second", 0);
figures.show("Round trip", "–");

setInterval(() => {
  const now = performance.now();
  figures.show("Events per second", Math.round(arrivals / ((now - rateSince) / 1000)));
  [arrivals, rateSince] = [0, now];
}, RATE_INTERVAL);

/** @type {(name: string, act: (detail: any) => void) => void} */
const onEvents = (name, act) => events.addEventListener(name, (event) => act(/** @type {CustomEvent} */ (event).detail));
/** @type {(name: string, act: (detail: any) => void) => void} */
const onStatus = (name, act) => status.addEventListener(name, (event) => act(/** @type {CustomEvent} */ (event).detail));
onEvents("message", ({ payload, attributes, left }) => {
  received++;
  arrivals++;
  drawCount();
  eventView.add(payload, attributes, left);
  steps.hidden = true;
});
onEvents("filtered", (filter) => {
  if (begun || filter) eventView.restart(); // the history of the gateway comes again, where there is one
  begun = true;
  eventView.filter.accepted(filter);
});
onEvents("filter-refused", (reason) => eventView.filter.refused(reason));
let wasConnected = false, lost = false;
onEvents("state", ({ state, text }) => {
  if (state === "connected" && lost) recordOnPage("recovery", "the connection works again");
  else if (state !== "connected" && wasConnected) recordOnPage("problem", `the connection is lost: ${text}`);
  [lost, wasConnected] = [state !== "connected" && (lost || wasConnected), state === "connected"];
  const reason = /^Disconnected \((.*)\), next/.exec(text)?.[1];
  if (reason) eventView.showCutOff(`Disconnected by the gateway at ${clock(new Date())}: ${reason}`);
  eventView.log(state === "connected" ? "UP" : state === "connecting" ? "…" : "DOWN", text);
});
onEvents("welcome", (message) => eventView.log("WELCOME", message.msg ?? ""));
onEvents("resumed", () => eventView.log("RESUMED", "No event was missed"));
onEvents("pong", (roundTrip) => {
  figures.show("Round trip", `${roundTrip.toFixed(1)} ms`);
  eventView.log("TEST", `The connection works: round trip ${roundTrip.toFixed(1)} ms`);
});
onEvents("gap", (gap) => {
  gapsReceived++;
  showReceivedGaps();
  eventView.log("GAP", `Events may be missing: ${gap.source ? `${gap.source}: ` : ""}${gap.reason}`);
});

// Without a status, the page shows the gaps that its connection has received.
const RECEIVED_GAPS = "Gaps received";
function showReceivedGaps() {
  if (freshness.locked) figures.show(RECEIVED_GAPS, gapsReceived, true, "gaps that the connection of this page has received");
}

const note = /** @type {any} */ (document.createElement("feed-note"));
note.hidden = true;
eventView.before(note);
note.addEventListener("route", (/** @type {CustomEvent} */ { detail }) => events.choose(detail));
note.useToken = (/** @type {string} */ token) => events.useToken(token);
onEvents("source", (source) => note.show(source));
onEvents("counts", (counts) => note.count(counts));

const steps = /** @type {any} */ (document.createElement("first-steps")); // until the first event
eventView.before(steps);

// The status.

eventView.hint = "No events yet. They appear here as soon as one is delivered.";

const freshness = new Freshness({ status, events, foreign: asked !== null, figures, flow, components });
freshness.addEventListener("unreachable", () => events.guess()); // there may be events although there is no status
freshness.addEventListener("back", () => { if (events.connection.state === "disconnected" && asked === null) events.reconnect(); });

onStatus("status", (current) => {
  setGatewayTime(current.now);
  components.show(current);
  flow.show(current);
  $("gateway-warnings").show(current);
  figures.showStatus(current);
  figures.drop(RECEIVED_GAPS);
  timeline.update(current);
  tabs.show(current);
  drawer.show(current);
  demo.show(current);
  steps.show(current);
  events.follow(current);
  eventView.offerRows(events.snapshots);
  if (freshness.locked) {
    secretForm.end();
    lock.hidden = true;
    showAsList(false);
  }
  freshness.show(current);
});
const demo = $("demo-bar");
demo.addEventListener("changed", () => status.poll());
const lock = $("#locked"), secretForm = lock.querySelector("token-form");
secretForm.send = async (/** @type {string} */ secret, /** @type {string} */ user) => {
  const error = await openSession(secret, user);
  if (!error) status.poll();
  return error;
};
onStatus("locked", ({ why, needsSecret }) => {
  events.guess();
  components.showText(`The components cannot be shown: ${why}`);
  lock.hidden = !needsSecret;
  if (needsSecret) secretForm.ask("Secret or password", { user: true });
  showAsList(true);
  figures.dropStatus();
  freshness.lock();
  showReceivedGaps();
});

// What the user can do.

const actions = {
  reconnect: () => { eventView.showCutOff(""); events.reconnect(); },
  clear: () => {
    const before = received;
    eventView.showCutOff("");
    eventView.clear(() => { received += before; drawCount(); });
    received = 0;
    drawCount();
  },
  test: () => { if (!events.ping()) eventView.log("TEST", "There is no connection to test"); },
};
for (const [id, act] of Object.entries(actions)) $(`#${id}`).addEventListener("click", act);
addEventListener("keydown", (event) => { // of the page only: a field that is edited has the keys of the browser
  const target = event.target instanceof Element ? event.target : document.body;
  if (event.shiftKey || event.altKey || event.repeat || target.closest("input:not([type=checkbox]), textarea, select, [contenteditable], dialog")) return;
  const withControl = event.ctrlKey || event.metaKey;
  const onControl = target.closest("button, a, summary, input, pre, [role=tab], [tabindex='0']");
  /** @type {Record<string, () => void>} */
  const controls = { r: actions.reconnect, l: actions.clear };
  const act = withControl ? controls[event.key.toLowerCase()] : event.key === " " && !onControl && eventView.checkVisibility() ? () => eventView.togglePause() : null;
  if (!act) return;
  event.preventDefault();
  act();
});
eventView.loadRows = (/** @type {string} */ table) => events.rows(table);
eventView.behind = () => events.delay;
eventView.url = () => events.url;
eventView.filter.addEventListener("filter", (/** @type {CustomEvent} */ { detail: filter }) => events.filter(filter));
flow.addEventListener("pick", (/** @type {CustomEvent} */ { detail: { kind, name } }) => {
  location.hash = kind === "memory" ? "dead-letters" : `component/${kind}/${name}`;
});

/**
 * showAsList shows the components as a list, or as a picture.
 * @param {boolean} list
 */
function showAsList(list) {
  $(".flow").classList.toggle("list", list);
  $("#as-list").setAttribute("aria-pressed", list);
}
$("#as-list").addEventListener("click", () => showAsList(!$(".flow").classList.contains("list")));

// open opens a session with the secret of a link, and polls the status.
async function open() {
  const secret = secretOfLink();
  const error = secret && await openSession(secret);
  if (error) eventView.log("STATUS", error);
  status.poll();
}
document.addEventListener("visibilitychange", () => { if (!document.hidden) status.poll(); });
addEventListener("hashchange", () => { if (location.hash.startsWith("#token=")) open(); }); // a link that is opened in this tab
await open();
tabs.start();
followAddresses(drawer);
