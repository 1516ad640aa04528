import { GatewayClient, parse } from "../client/index.js";
import { openSession } from "./access.js";
import { summaryOf } from "./component-state.js";
import { components as all, formatDuration } from "./components.js";
import { clock, plain, throttle } from "./dom.js";
import "./activity-log.js";
import "./dead-letters.js";
import "./flow.js";
import "./order-table.js";
import { StatusFeed } from "./status-feed.js";
import "./status.js";

const RATE_INTERVAL = 2000; // milliseconds
const CHECK_INTERVAL = 250; // of the checks of freshness

const $ = (selector) => document.querySelector(selector);
const log = $("activity-log"), orders = $("order-table"), figures = $("key-figures"), components = $("component-list"), flow = $("flow-graph");
const asked = new URLSearchParams(location.search).get("ws");
const feed = new StatusFeed();

if (asked !== null) { // else a link could pass off another server's events as those of this one
  const server = $("#server");
  server.textContent = `Events of ${asked}`;
  server.hidden = false;
}

let received = 0, gapsReceived = 0, arrivals = 0, rateSince = performance.now();
const drawCount = throttle(() => figures.show("Events received", received));
figures.show("Events received", 0);
figures.show("Events per second", 0);
figures.show("Round trip", "–");

const page = new URL(".", location.href).href.replace(/^http/, "ws"); // also below a path of a proxy
let client = null, watched = "";
let connection = { state: "connecting", text: "Connecting…" };

// watch connects to the events at a URL; "" if there are none.
function watch(url) {
  if (url === watched && client) return;
  watched = url;
  client?.close();
  client = url ? new GatewayClient(url, { heartbeat: 500 }) : null;
  if (!client) {
    connection = { state: "none", text: "No events to watch", why: "no sink of this gateway is a websocket at this listener" };
    return;
  }
  const current = client;
  const on = (event, act) => client.addEventListener(event, ({ detail }) => { if (client === current) act(detail); });
  on("state", (detail) => {
    connection = detail;
    checkFreshness();
    log.add(detail.state === "connected" ? "UP" : detail.state === "connecting" ? "…" : "DOWN", detail.text);
  });
  on("welcome", (detail) => log.add("WELCOME", detail.msg ?? ""));
  on("pong", (detail) => {
    figures.show("Round trip", `${detail.toFixed(1)} ms`);
    log.add("TEST", `The connection works: round trip ${detail.toFixed(1)} ms`);
  });
  client.subscribe({}, {
    onMessage: show,
    onResumed: () => log.add("RESUMED", "No event was missed"),
    onGap: (gap) => {
      gapsReceived++;
      showReceivedGaps();
      log.add("GAP", `Events may be missing: ${gap.source ? `${gap.source}: ` : ""}${gap.reason}`);
    },
  });
}

// pathOf returns the URL of the first WebSocket sink of a status: the one at the path of the page, if there is one; "" if there is none.
function pathOf({ sinks }) {
  const paths = sinks.flatMap((sink) => sink.paths ?? []).filter((path) => !path.includes("{"));
  if (paths.length === 0) return "";
  return new URL(paths.includes("/") ? "." : `.${paths[0]}`, page).href;
}

function show(payload) {
  received++;
  arrivals++;
  drawCount();
  if (typeof payload !== "string") {
    log.add("BINARY", `${payload.size} bytes`);
    return;
  }
  const message = parse(payload);
  const operation = typeof message?.operation === "string" ? message.operation : null;
  if (operation && message.order !== null && typeof message.order === "object") {
    orders.change(message, payload);
    log.add(operation, `Order ${plain(message.order.id)} ${plain(message.order.customer_name)}`);
  } else {
    log.add(operation ?? (message === undefined ? "TEXT" : "JSON"), payload);
  }
}

const actions = {
  reconnect: () => { if (client) client.connect(); },
  clear: () => { log.clear(); orders.clear(); received = 0; drawCount(); },
  test: () => { if (!client || !client.ping()) log.add("TEST", "There is no connection to test"); },
  change: async () => {
    const answer = await fetch("api/demo", { method: "POST", headers: { "X-Gateway-Demo": "1" } });
    if (!answer.ok) log.add("DEMO", await answer.text());
  },
};
for (const [id, act] of Object.entries(actions)) $(`#${id}`).addEventListener("click", act);
addEventListener("keydown", (event) => {
  const act = { r: actions.reconnect, l: actions.clear }[event.key.toLowerCase()];
  if (!act || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return;
  event.preventDefault();
  act();
});

const waiting = "No orders yet. They appear here as soon as a row of the table orders changes.";
orders.hint = waiting;

setInterval(() => {
  const now = performance.now();
  figures.show("Events per second", Math.round(arrivals / ((now - rateSince) / 1000)));
  [arrivals, rateSince] = [0, now];
}, RATE_INTERVAL);

let shownStatus = null; // null: none is shown
let locked = false; // the gateway refuses the status
let outage = false; // the gateway has not answered since the last status

// Without a status, the page shows the gaps that its connection has received.
const RECEIVED_GAPS = "Gaps received";
function showReceivedGaps() {
  if (locked) figures.show(RECEIVED_GAPS, gapsReceived, true, "gaps that the connection of this page has received");
}

feed.addEventListener("status", ({ detail: status }) => {
  [shownStatus, locked] = [status, false];
  components.show(status);
  flow.show(status);
  $(".flow").hidden = false;
  figures.showStatus(status);
  figures.drop(RECEIVED_GAPS);
  $("dead-letters").show(status.dead_letters).catch(() => {}); // the next status tries again
  $("#change").hidden = !status.demo;
  orders.hint = status.demo
    ? "No orders yet. Press “Change an order”, or change rows of the table orders with psql: the gateway has printed where."
    : waiting;
  watch(asked ?? pathOf(status));
  if (outage && client && client.state === "disconnected" && asked === null) client.connect(); // the gateway is back
  outage = false;
  checkFreshness();
});
feed.addEventListener("locked", ({ detail: why }) => {
  [shownStatus, locked] = [null, true];
  if (!client) watch(asked ?? page);
  $(".flow").hidden = true;
  components.showText(`The components cannot be shown: ${why}`);
  for (const name of ["Gaps", "Gaps passed on", "Dropped", "Dead letters", "Accounted for"]) figures.drop(name);
  showReceivedGaps();
  checkFreshness();
});

// checkFreshness shows whether the status is old, by the clock of the page: a frozen gateway and a
// half-open connection give no other sign.
function checkFreshness() {
  const now = performance.now();
  const silence = feed.silence(now);
  const duration = (since) => ` for ${formatDuration(now - since)}`;
  const pill = $("connection-state"), health = $("health-state");
  if (connection.state === "silent") pill.show({ state: "silent", text: "No response", ticks: duration(client.lastMessageAt), why: connection.text });
  else if (silence && connection.state === "connected" && asked === null) pill.show({ state: "silent", text: "No response", ticks: duration(feed.lastAnswerAt), why: silence });
  else pill.show(connection);

  outage ||= silence !== "";
  for (const element of [figures, flow]) element.classList.toggle("stale", silence !== "");
  if (!shownStatus) {
    if (silence && client === null) watch(asked ?? page); // there may be events although there is no status
    health.hidden = true;
    if (silence) components.showText(`The components cannot be shown: ${silence}`);
    return;
  }
  components.stale(silence && `No response${duration(feed.lastAnswerAt)}: ${silence}. The values below are of ${clock(new Date(shownStatus.now))}.`);
  const parts = [...all(shownStatus)].map(([, component]) => component);
  const { state, reasons } = shownStatus.health;
  const why = reasons.map(({ component, text }) => `${component}: ${text}`).join("\n");
  if (silence) health.show({ state: "silent", text: "Status unknown", why: silence });
  else if (state === "ok") health.show({ state: "well", text: `All ${parts.length} work` });
  else health.show({ state: "failing", text: summaryOf(parts) || (state === "down" ? "Down" : "Degraded"), why });
  showOnTab(health.dataset.state, health.textContent);
}

// showOnTab shows the state in the title and the icon of the tab, so that it is seen while another tab is open.
function showOnTab(state, text) {
  const works = state === "well";
  document.title = works ? "Event gateway" : `✕ ${text} – Event gateway`;
  const icon = works ? "icon.svg" : "icon-failing.svg";
  if ($("link[rel=icon]").getAttribute("href") !== icon) $("link[rel=icon]").setAttribute("href", icon);
}

setInterval(checkFreshness, CHECK_INTERVAL);
document.addEventListener("visibilitychange", () => { if (!document.hidden) feed.poll(); });

// open opens a session with the secret of a link, and polls the status.
async function open() {
  const error = await openSession();
  if (error) log.add("STATUS", error);
  feed.poll();
}

flow.addEventListener("pick", ({ detail: { kind, name } }) => {
  if (kind === "memory") $("dead-letters").scrollIntoView({ block: "nearest" });
  else components.open(kind, name);
});
addEventListener("hashchange", () => { if (location.hash) open(); }); // a link that is opened in this tab
open();
