// A WebSocket client of the gateway: connects, and connects again for ever, with
// full-jitter backoff, at once when the browser is back online.

const FIRST_PAUSE = 500; // milliseconds, upper bound
const LONGEST_PAUSE = 30_000;
const HEARTBEAT = 15_000; // without a message, after which it asks whether the gateway is there
const PATIENCE = 1500; // for the answer; looked at a few times: a page that was busy itself is late
const LOOKS = 4;
const CONNECT_WITHIN = 2000; // at first, twice that after each time: a frozen gateway takes connections, and never answers
const PROTOCOL = "eventgateway.v2"; // asks for messages about gaps and positions, too
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

// Events: "state" (detail: {state, text}; state is connecting, connected, silent: nothing comes and
// no ping is answered, or disconnected), "message" (detail: text or Blob),
// "leave" (detail: the message that took a row out of the filter), "gap" (detail: the
// gateway's message), "resumed" (detail: whether everything that was missed comes),
// "pong" (detail: milliseconds), "refused" (detail: why a subscription was not taken).
//
// A client that comes back names its place: everything up to #offset of #epoch, and #seen
// messages more, which it has counted itself. It always comes back with the last subscription
// that the gateway has taken, and asks by message for one that it has not answered yet: so a
// wrong one is refused with its reason, and cannot keep the client away.
export class GatewayClient extends EventTarget {
  #url;
  #token;
  #subscription = {}; // {channels, filter}: the last that was taken, or the first
  #taken = false; // whether it was
  #begun = false; // the gateway has said where this connection begins
  #asked = []; // subscriptions that are not answered yet, in order
  #life = new AbortController();
  #epoch = "";
  #offset = 0;
  #seen = 0;
  #greeted = false;
  #socket = null;
  #attempt = 0;
  #hung = 0; // attempts to connect that had no answer, and this one
  #timer = 0;
  #pings = new Map();
  #heartbeat;
  #pulse = 0;
  #wanted = false; // connect was called

  // options: token, channels, filter, see the sink's README; heartbeat in milliseconds, 0: none.
  constructor(url, { token = "", heartbeat = HEARTBEAT, ...subscription } = {}) {
    super();
    this.#heartbeat = heartbeat;
    this.#url = new URL(url, location.href);
    this.#token = token;
    this.#subscription = subscription;
    const { signal } = this.#life;
    addEventListener("online", () => { if (this.state !== "connected") this.connect(); }, { signal });
    addEventListener("pageshow", (event) => { if (event.persisted) this.#wake(); }, { signal });
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.#wake(); }, { signal });
    addEventListener("offline", () => this.#say("disconnected", "Offline: waiting for the network"), { signal });
  }

  state = "disconnected";
  heard = 0; // performance.now() of the last sign of the gateway

  // connect drops the connection there is, and makes a new one. A client that was closed stays so.
  connect() {
    if (this.#life.signal.aborted) return;
    this.#wanted = true;
    clearTimeout(this.#timer);
    this.#drop();
    this.#asked = this.#asked.slice(-1); // the ones before would only be replaced
    this.#greeted = this.#begun = false;
    if (this.state !== "silent") this.#say("connecting", "Connecting…");
    let socket;
    try {
      socket = new WebSocket(this.#place(), this.#token ? [PROTOCOL, `bearer.${this.#token}`] : PROTOCOL);
    } catch (err) {
      this.#say("disconnected", `Cannot connect to ${this.#url}: ${err.message}`);
      return;
    }
    socket.binaryType = "arraybuffer"; // read at once, and so in order
    this.#socket = socket;
    this.#timer = setTimeout(() => this.connect(), Math.min(LONGEST_PAUSE, CONNECT_WITHIN * 2 ** this.#hung++));
    socket.onopen = () => {
      clearTimeout(this.#timer);
      this.#attempt = this.#hung = 0;
      this.heard = performance.now();
      this.#say("connected", "Connected");
      if (socket.protocol === PROTOCOL) this.#watch();
    };
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = (event) => { if (socket === this.#socket) this.#retry(event); };
  }

  // close ends the connection for good, and lets go of the page.
  close() {
    this.#life.abort();
    clearTimeout(this.#timer);
    this.#drop();
    this.#say("disconnected", "Closed");
  }

  // subscribe goes on with another subscription, without a gap.
  subscribe(subscription) {
    if (this.#begun) {
      this.#asked.push(subscription);
      this.#ask(subscription);
    } else if (this.#taken || this.state === "connected") {
      this.#asked = [subscription]; // asked for when the connection has begun
    } else {
      this.#subscription = subscription;
    }
  }

  #ask(subscription) {
    const place = this.#epoch ? { epoch: this.#epoch, offset: this.#offset, seen: this.#seen } : {};
    this.#socket.send(JSON.stringify({ type: "subscribe", ...subscription, ...place }));
  }

  // #place is the URL that goes on where the client was.
  #place() {
    const url = new URL(this.#url);
    const { channels = [], filter = "" } = this.#subscription;
    for (const channel of channels) url.searchParams.append("channel", channel);
    if (filter) url.searchParams.set("filter", filter);
    if (this.#epoch) {
      for (const [name, value] of [["epoch", this.#epoch], ["offset", this.#offset], ["seen", this.#seen]]) url.searchParams.set(name, value);
    }
    return url;
  }

  // ping measures the round trip; "pong" tells the result.
  ping() {
    if (this.state !== "connected") return false;
    const timestamp = performance.now();
    this.#pings.set(timestamp, true);
    this.#socket.send(JSON.stringify({ type: "ping", timestamp }));
    return true;
  }

  // #drop closes the socket and forgets it: whatever it still says is not heard,
  // so there are never two.
  #drop() {
    const old = this.#socket;
    this.#socket = null;
    this.#begun = false;
    this.#pings.clear();
    clearTimeout(this.#pulse);
    if (!old) return;
    old.onopen = old.onmessage = old.onclose = null;
    old.close();
  }

  // #wake is for a page that was hidden or kept aside, perhaps for hours: its timers stood still,
  // and the network may be another one. It asks for a sign at once, or connects.
  #wake() {
    if (this.state === "connected" && this.#heartbeat && this.#socket.protocol === PROTOCOL) this.#probe();
    else if (this.state === "disconnected" && this.#wanted) this.connect();
  }

  // #probe asks for a sign, and connects anew where none comes.
  #probe() {
    clearTimeout(this.#pulse);
    this.#socket.send(JSON.stringify({ type: "ping" }));
    this.#watch(1);
  }

  // #watch looks whether something has come since, and asks for a sign where nothing has. looks is
  // how often it has looked for an answer in vain: then it connects anew.
  #watch(looks = 0) {
    if (!this.#heartbeat) return;
    const { heard } = this;
    this.#pulse = setTimeout(() => {
      if (this.heard !== heard) {
        this.#watch();
      } else if (looks === 0) {
        this.#probe();
      } else if (looks < LOOKS) {
        this.#watch(looks + 1);
      } else {
        this.#say("silent", "No news: connecting again");
        this.connect();
      }
    }, looks === 0 ? this.#heartbeat : PATIENCE / LOOKS);
  }

  #retry(event) {
    clearTimeout(this.#timer);
    this.#hung = 0;
    this.#drop();
    const bound = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** this.#attempt++);
    const pause = Math.random() * bound;
    const why = event.reason || (event.code === 1006 ? "" : `code ${event.code}`);
    this.#say("disconnected", `Disconnected${why ? ` (${why})` : ""}, next try in ${(pause / 1000).toFixed(1)} s`);
    this.#timer = setTimeout(() => this.connect(), pause);
  }

  #receive(data) {
    this.heard = performance.now();
    const control = this.#control(data);
    if (!control) {
      this.#seen++;
      this.#emit("message", typeof data === "string" ? data : new Blob([data]));
      return;
    }
    switch (control.type) {
      case "subscribed":
        if (this.#begun && this.#asked.length > 0) this.#subscription = this.#asked.shift();
        [this.#epoch, this.#offset, this.#seen] = [control.epoch, control.offset, control.seen];
        if (!this.#begun) {
          this.#begun = this.#taken = true;
          this.#asked.forEach((subscription) => this.#ask(subscription));
        }
        if ("recovered" in control) this.#emit("resumed", control.recovered);
        return;
      case "position":
        [this.#offset, this.#seen] = [control.offset, 0];
        return;
      case "leave":
        this.#seen++;
        this.#emit("leave", control.message);
        return;
      case "error":
        if (this.#begun) this.#asked.shift();
        this.#emit("refused", control.reason);
        return;
      case "pong":
        if (!this.#pings.delete(control.timestamp)) return;
        this.#emit("pong", performance.now() - control.timestamp);
        return;
      case "gap":
        this.#emit("gap", control);
        return;
    }
    if (!this.#greeted) this.#emit("welcome", control); // the first message may greet
    this.#greeted = true;
  }

  // #control returns the message about the connection that data is; null for an event. Events
  // that are UTF-8 come as text, so that bytes which are UTF-8 are never one, whatever an
  // event looks like.
  #control(data) {
    if (typeof data === "string" || this.#socket.protocol !== PROTOCOL) return null;
    try {
      return JSON.parse(UTF8.decode(data));
    } catch {
      return null;
    }
  }

  #say(state, text) {
    this.state = state;
    this.#emit("state", { state, text });
  }

  #emit(name, detail) { this.dispatchEvent(new CustomEvent(name, { detail })); }
}

// parse returns what JSON text holds, undefined where it is none. An integer that JavaScript would
// round, as an id beyond 2^53, is its text, in browsers that can tell.
export function parse(text) {
  try {
    return LONG.test(text) ? JSON.parse(text, unrounded) : JSON.parse(text);
  } catch {
    return undefined;
  }
}

const LONG = /\d{16}/;
const unrounded = (_, value, context) =>
  typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source) ? context.source : value;
