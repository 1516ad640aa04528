import { locked, unlock } from "./access.js";
import { GatewayClient, parse } from "./client.js";
import { plain, soon } from "./dom.js";
import "./activity-log.js";
import "./dead-letters.js";
import "./order-table.js";
import { sum } from "./status.js";

const STATUS_EVERY = 2000; // milliseconds
const LOCKED_EVERY = 30_000; // without the secret: another tab may get it

const $ = (selector) => document.querySelector(selector);
const log = $("activity-log"), orders = $("order-table"), figures = $("key-figures"), components = $("component-list");
const asked = new URLSearchParams(location.search).get("ws");
const client = new GatewayClient(asked ?? `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/`);

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

client.addEventListener("state", ({ detail }) => {
  $("connection-state").show(detail);
  log.add(detail.state === "connected" ? "UP" : detail.state === "connecting" ? "…" : "DOWN", detail.text);
});
client.addEventListener("welcome", ({ detail }) => log.add("WELCOME", detail.msg ?? ""));
client.addEventListener("resumed", ({ detail }) => {
  if (!detail) gapsHeard++;
  log.add(detail ? "RESUMED" : "GAP", detail ? "Nothing was missed meanwhile" : "What was sent meanwhile is missing");
});
client.addEventListener("gap", ({ detail }) => {
  gapsHeard++;
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
    const answer = await fetch("/api/demo", { method: "POST", headers: { "X-Gateway-Demo": "1" } });
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
}, STATUS_EVERY);

let timer = 0;

async function refresh() {
  let again = STATUS_EVERY;
  try {
    const answer = await fetch("/api/status");
    if (answer.status === 401) again = LOCKED_EVERY;
    if (!answer.ok) throw new Error(answer.status === 401 ? locked : answer.status === 403 ? await answer.text() : `the gateway answers ${answer.status}`);
    const status = await answer.json();
    components.show(status);
    // Those at the start of the gateway are no alarm: each start has them.
    figures.show("Gaps", status.sources.reduce((n, s) => n + s.gaps - s.gaps_at_start + s.gaps_passed_on, 0), true);
    figures.show("Dropped", status.sinks.reduce((n, s) => n + sum(s.dropped), 0), true);
    figures.show("Dead letters", deadLetters(status), true);
    figures.show("Accounted for", status.conservation_broken ? "NOT ALL" : "all");
    await $("dead-letters").show(status.dead_letters);
    $("#change").hidden = !status.demo;
    orders.hint = status.demo
      ? "No orders yet. Press “Change an order”, or change rows of the table orders with psql: the gateway has printed where."
      : waiting;
  } catch (err) {
    components.say(`The components cannot be shown: ${err.message}`);
    figures.show("Gaps", gapsHeard, true);
  }
  clearTimeout(timer); // of one that ran at the same time
  timer = setTimeout(refresh, again);
}

// open takes the secret of a link, and shows what it opens.
async function open() {
  const wrong = await unlock();
  if (wrong) log.add("STATUS", wrong);
  await refresh();
}

// deadLetters counts those in memory and those in dead-letter sinks.
const deadLetters = ({ routes, sinks }) => [...routes, ...sinks].reduce((n, c) => n + c.dead_lettered, 0);

client.connect();
addEventListener("hashchange", () => { if (location.hash) open(); }); // a link that is opened in this tab
open();
