import { unlock } from "./access.js";
import { GatewayClient, parse } from "./client.js";
import { components as all, fails, lasts } from "./components.js";
import { clock, plain, soon } from "./dom.js";
import "./activity-log.js";
import "./dead-letters.js";
import "./order-table.js";
import { StatusFeed } from "./status-feed.js";
import "./status.js";

const RATE_EVERY = 2000; // milliseconds
const LOOK_EVERY = 250; // whether there is news

const $ = (selector) => document.querySelector(selector);
const log = $("activity-log"), orders = $("order-table"), figures = $("key-figures"), components = $("component-list");
const asked = new URLSearchParams(location.search).get("ws");
const client = new GatewayClient(asked ?? new URL(".", location.href).href.replace(/^http/, "ws"), { heartbeat: 500 });
const feed = new StatusFeed();

if (asked !== null) { // else a link could show another server's events as this one's
  const server = $("#server");
  server.textContent = `Events of ${asked}`;
  server.hidden = false;
}

let received = 0, gapsHeard = 0, arrivals = 0, rateSince = performance.now();
const drawCount = soon(() => figures.show("Events received", received));
figures.show("Events received", 0);
figures.show("Events per second", 0);
figures.show("Round trip", "–");

let connection = { state: "connecting", text: "Connecting…" };
client.addEventListener("state", ({ detail }) => {
  connection = detail;
  look();
  log.add(detail.state === "connected" ? "UP" : detail.state === "connecting" ? "…" : "DOWN", detail.text);
});
client.addEventListener("welcome", ({ detail }) => log.add("WELCOME", detail.msg ?? ""));
client.addEventListener("resumed", ({ detail }) => {
  if (!detail) gapsHeard++;
  showHeard();
  log.add(detail ? "RESUMED" : "GAP", detail ? "Nothing was missed meanwhile" : "What was sent meanwhile is missing");
});
client.addEventListener("gap", ({ detail }) => {
  gapsHeard++;
  showHeard();
  log.add("GAP", `Events may be missing: ${detail.source ? `${detail.source}: ` : ""}${detail.reason}`);
});
client.addEventListener("pong", ({ detail }) => {
  figures.show("Round trip", `${detail.toFixed(1)} ms`);
  log.add("TEST", `The connection works: round trip ${detail.toFixed(1)} ms`);
});
client.addEventListener("message", ({ detail }) => {
  received++;
  arrivals++;
  drawCount();
  if (typeof detail !== "string") {
    log.add("BINARY", `${detail.size} bytes`);
    return;
  }
  const message = parse(detail);
  const operation = typeof message?.operation === "string" ? message.operation : null;
  if (operation && message.order !== null && typeof message.order === "object") {
    orders.change(message, detail);
    log.add(operation, `Order ${plain(message.order.id)} ${plain(message.order.customer_name)}`);
  } else {
    log.add(operation ?? (message === undefined ? "TEXT" : "JSON"), detail);
  }
});

const actions = {
  reconnect: () => client.connect(),
  clear: () => { log.clear(); orders.clear(); received = 0; drawCount(); },
  test: () => { if (!client.ping()) log.add("TEST", "There is no connection to test"); },
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
}, RATE_EVERY);

let shown = null; // the status that is on the page
let closed = false; // the gateway has answered that it shows none
let missed = false; // it has not answered since

// Without a status there are the gaps that the connection was told of.
const HEARD = "Gaps heard";
function showHeard() {
  if (closed) figures.show(HEARD, gapsHeard, true, "gaps that the connection of this page was told of");
}

feed.addEventListener("status", ({ detail: status }) => {
  [shown, closed] = [status, false];
  components.show(status);
  figures.showStatus(status);
  figures.drop(HEARD);
  $("dead-letters").show(status.dead_letters).catch(() => {}); // it is asked for again with the next one
  $("#change").hidden = !status.demo;
  orders.hint = status.demo
    ? "No orders yet. Press “Change an order”, or change rows of the table orders with psql: the gateway has printed where."
    : waiting;
  if (missed && client.state === "disconnected" && asked === null) client.connect(); // the gateway is back
  missed = false;
  look();
});
feed.addEventListener("locked", ({ detail: why }) => {
  [shown, closed] = [null, true];
  components.say(`The components cannot be shown: ${why}`);
  for (const name of ["Gaps", "Gaps passed on", "Dropped", "Dead letters", "Accounted for"]) figures.drop(name);
  showHeard();
  look();
});

// look shows whether there is news, by this page's own clock: a gateway that is frozen, and a
// connection that is half open, give no other sign.
function look() {
  const now = performance.now();
  const silence = feed.silence(now);
  const old = (since) => ` for ${lasts(now - since)}`;
  const pill = $("connection-state"), health = $("health-state");
  if (connection.state === "silent") pill.show({ state: "silent", text: "No news", ticks: old(client.heard), why: connection.text });
  else if (silence && connection.state === "connected" && asked === null) pill.show({ state: "silent", text: "No news", ticks: old(feed.heard), why: silence });
  else pill.show(connection);

  missed ||= silence !== "";
  figures.classList.toggle("stale", silence !== "");
  if (!shown) {
    health.hidden = true;
    if (silence) components.say(`The components cannot be shown: ${silence}`);
    return;
  }
  components.stale(silence && `No news${old(feed.heard)}: ${silence}. What follows was so at ${clock(new Date(shown.now))}.`);
  const parts = [...all(shown)].map(([, component]) => component);
  const failing = parts.filter(fails).map((component) => component.name);
  if (silence) health.show({ state: "silent", text: "Status unknown", why: silence });
  else if (failing.length > 0) health.show({ state: "failing", text: `${failing.length} of ${parts.length} fail`, why: failing.join(", ") });
  else health.show({ state: "well", text: `All ${parts.length} work` });
}

setInterval(look, LOOK_EVERY);
document.addEventListener("visibilitychange", () => { if (!document.hidden) feed.ask(); });

// open takes the secret of a link, and shows what it opens.
async function open() {
  const wrong = await unlock();
  if (wrong) log.add("STATUS", wrong);
  feed.ask();
}

client.connect();
addEventListener("hashchange", () => { if (location.hash) open(); }); // a link that is opened in this tab
open();
