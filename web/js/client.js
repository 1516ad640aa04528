// A WebSocket client of the gateway. It reconnects without end, with full-jitter backoff, and
// at once when the browser is online again.

const FIRST_PAUSE = 500; // milliseconds, upper bound
const LONGEST_PAUSE = 30_000;
const HEARTBEAT = 15_000; // without a message, after which the client sends a ping
const PONG_TIMEOUT = 1500; // for the pong; checked several times, since a busy page reads messages late
const PONG_CHECKS = 4;
const CONNECT_TIMEOUT = 2000; // doubled after each attempt: a frozen gateway accepts connections without an answer
const POLICY = 1008; // close code, also of a token that has expired
const PROTOCOL = "eventgateway.v2"; // with messages about gaps and positions
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

// Events: "state" (detail: {state, text}; state is connecting, connected, silent: no message and
// no pong, or disconnected), "message" (detail: text or Blob), "leave" (detail: the message with
// which a row left the filter), "gap" (detail: the gateway's message), "resumed" (detail: whether
// all missed events follow), "pong" (detail: milliseconds), "refused" (detail: why a subscription
// or a token was refused).
//
// A client resumes at its position: all up to #offset of #epoch, and #seen further messages,
// which it has counted. It reconnects with the last subscription that the gateway has accepted,
// and sends a newer one as a message: so a wrong one is refused with a reason, and does not
// prevent the connection.
export class GatewayClient extends EventTarget {
  #url;
  #token;
  #getToken;
  #tokenStale = false; // the gateway may have refused #token
  #subscription = {}; // {channels, filter}: the last accepted one, or the first
  #accepted = false; // #subscription was accepted
  #subscribed = false; // the gateway has sent the position of this connection
  #unconfirmed = []; // subscriptions without an answer yet, in order
  #abort = new AbortController();
  #epoch = "";
  #offset = 0;
  #seen = 0;
  #welcomed = false;
  #socket = null;
  #attempt = 0;
  #connectAttempts = 0; // consecutive attempts without an answer, with this one
  #timer = 0;
  #pings = new Map();
  #heartbeat;
  #heartbeatTimer = 0;
  #connectCalled = false; // connect was called
  #tokenRequest = null; // the last call of #getToken

  // options: token, channels, filter, see the sink's README; getToken, a function that returns a
  // token or a promise of one, called for the first connection, before a token expires, and after a
  // connection that was refused; heartbeat in milliseconds, 0: none.
  constructor(url, { token = "", getToken = null, heartbeat = HEARTBEAT, ...subscription } = {}) {
    super();
    this.#heartbeat = heartbeat;
    this.#url = new URL(url, location.href);
    this.#token = token;
    this.#getToken = getToken;
    this.#tokenStale = !token;
    this.#subscription = subscription;
    const { signal } = this.#abort;
    addEventListener("online", () => { if (this.state !== "connected") this.connect(); }, { signal });
    addEventListener("pageshow", (event) => { if (event.persisted) this.#pingNow(); }, { signal });
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.#pingNow(); }, { signal });
    addEventListener("offline", () => this.#setState("disconnected", "Offline: waiting for the network"), { signal });
  }

  state = "disconnected";
  lastMessageAt = 0; // performance.now() of the last message

  // connect replaces the connection by a new one. It does nothing after close.
  connect() {
    if (this.#abort.signal.aborted) return;
    this.#connectCalled = true;
    clearTimeout(this.#timer);
    this.#drop();
    this.#unconfirmed = this.#unconfirmed.slice(-1); // the last one replaces the others
    this.#welcomed = this.#subscribed = false;
    if (this.state !== "silent") this.#setState("connecting", "Connecting…");
    if (this.#getToken && this.#tokenStale) this.#renewToken(() => this.#open());
    else this.#open();
  }

  // #renewToken requests a token, and calls then with it. If that fails, it tries to connect again later.
  async #renewToken(then) {
    const request = (this.#tokenRequest = {}); // a later request replaces this one
    const current = () => this.#tokenRequest === request && !this.#abort.signal.aborted;
    try {
      const token = await this.#getToken();
      if (!current()) return;
      [this.#token, this.#tokenStale] = [token, false];
      then();
    } catch (err) {
      if (!current()) return;
      this.#emit("refused", `no token: ${err.message}`);
      if (!this.#socket) this.#retry({ reason: "no token", code: 0 });
    }
  }

  #open() {
    clearTimeout(this.#timer);
    let socket;
    try {
      socket = new WebSocket(this.#resumeURL(), this.#token ? [PROTOCOL, `bearer.${this.#token}`] : PROTOCOL);
    } catch (err) {
      this.#setState("disconnected", `Cannot connect to ${this.#url}: ${err.message}`);
      return;
    }
    socket.binaryType = "arraybuffer"; // read synchronously, and so in order
    this.#socket = socket;
    this.#timer = setTimeout(() => this.connect(), Math.min(LONGEST_PAUSE, CONNECT_TIMEOUT * 2 ** this.#connectAttempts++));
    socket.onopen = () => {
      clearTimeout(this.#timer);
      this.#attempt = this.#connectAttempts = 0;
      this.#tokenStale = false;
      this.lastMessageAt = performance.now();
      this.#setState("connected", "Connected");
      if (socket.protocol === PROTOCOL) this.#checkHeartbeat();
    };
    socket.onmessage = (event) => this.#receive(event.data);
    this.#tokenStale = true; // until the gateway has accepted it: a page cannot see why a connection is refused
    socket.onclose = (event) => {
      if (socket !== this.#socket) return;
      if (event.code === POLICY) this.#tokenStale = true;
      this.#retry(event);
    };
  }

  // close ends the connection for good, and removes the listeners on the page.
  close() {
    this.#abort.abort();
    clearTimeout(this.#timer);
    this.#drop();
    this.#setState("disconnected", "Closed");
  }

  // subscribe replaces the subscription, without a gap.
  subscribe(subscription) {
    if (this.#subscribed) {
      this.#unconfirmed.push(subscription);
      this.#sendSubscription(subscription);
    } else if (this.#accepted || this.state === "connected") {
      this.#unconfirmed = [subscription]; // sent when the gateway has sent the position
    } else {
      this.#subscription = subscription;
    }
  }

  #sendSubscription(subscription) {
    const position = this.#epoch ? { epoch: this.#epoch, offset: this.#offset, seen: this.#seen } : {};
    this.#socket.send(JSON.stringify({ type: "subscribe", ...subscription, ...position }));
  }

  // #resumeURL returns the URL with the subscription and the position.
  #resumeURL() {
    const url = new URL(this.#url);
    const { channels = [], filter = "" } = this.#subscription;
    for (const channel of channels) url.searchParams.append("channel", channel);
    if (filter) url.searchParams.set("filter", filter);
    if (this.#epoch) {
      for (const [name, value] of [["epoch", this.#epoch], ["offset", this.#offset], ["seen", this.#seen]]) url.searchParams.set(name, value);
    }
    return url;
  }

  // ping measures the round trip; the event "pong" has the result. It returns false without a connection.
  ping() {
    if (this.state !== "connected") return false;
    const timestamp = performance.now();
    this.#pings.set(timestamp, true);
    this.#socket.send(JSON.stringify({ type: "ping", timestamp }));
    return true;
  }

  // #drop closes the socket and ignores its further events, so that there is never more than one.
  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    this.#subscribed = false;
    this.#pings.clear();
    clearTimeout(this.#heartbeatTimer);
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  // #pingNow is called when a hidden or cached page returns: its timers stood still, and the network
  // may have changed. It sends a ping at once, or connects.
  #pingNow() {
    if (this.state === "connected" && this.#heartbeat && this.#socket.protocol === PROTOCOL) this.#probe();
    else if (this.state === "disconnected" && this.#connectCalled) this.connect();
  }

  // #probe sends a ping, and reconnects where no message follows.
  #probe() {
    clearTimeout(this.#heartbeatTimer);
    this.#socket.send(JSON.stringify({ type: "ping" }));
    this.#checkHeartbeat(1);
  }

  // #checkHeartbeat checks whether a message has come since, and else probes. checks is the number of
  // checks since the ping; after the last one it reconnects.
  #checkHeartbeat(checks = 0) {
    if (!this.#heartbeat) return;
    const { lastMessageAt } = this;
    this.#heartbeatTimer = setTimeout(() => {
      if (this.lastMessageAt !== lastMessageAt) {
        this.#checkHeartbeat();
      } else if (checks === 0) {
        this.#probe();
      } else if (checks < PONG_CHECKS) {
        this.#checkHeartbeat(checks + 1);
      } else {
        this.#setState("silent", "No response: reconnecting");
        this.connect();
      }
    }, checks === 0 ? this.#heartbeat : PONG_TIMEOUT / PONG_CHECKS);
  }

  #retry(event) {
    clearTimeout(this.#timer);
    this.#connectAttempts = 0;
    this.#drop();
    const bound = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** this.#attempt++);
    const pause = Math.random() * bound;
    const why = event.reason || (event.code === 1006 ? "" : `code ${event.code}`);
    this.#setState("disconnected", `Disconnected${why ? ` (${why})` : ""}, next try in ${(pause / 1000).toFixed(1)} s`);
    this.#timer = setTimeout(() => this.connect(), pause);
  }

  #receive(data) {
    this.lastMessageAt = performance.now();
    const control = this.#control(data);
    if (!control) {
      this.#seen++;
      this.#emit("message", typeof data === "string" ? data : new Blob([data]));
      return;
    }
    switch (control.type) {
      case "subscribed":
        if (this.#subscribed && this.#unconfirmed.length > 0) this.#subscription = this.#unconfirmed.shift();
        [this.#epoch, this.#offset, this.#seen] = [control.epoch, control.offset, control.seen];
        if (!this.#subscribed) {
          this.#subscribed = this.#accepted = true;
          this.#unconfirmed.forEach((subscription) => this.#sendSubscription(subscription));
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
        if (this.#subscribed) this.#unconfirmed.shift();
        this.#emit("refused", control.reason);
        return;
      case "expiring":
        if (this.#getToken) this.#renewToken(() => this.#socket?.send(JSON.stringify({ type: "auth", token: this.#token })));
        return;
      case "auth":
        if (control.reason) this.#emit("refused", control.reason);
        return;
      case "pong":
        if (!this.#pings.delete(control.timestamp)) return;
        this.#emit("pong", performance.now() - control.timestamp);
        return;
      case "gap":
        this.#emit("gap", control);
        return;
    }
    if (!this.#welcomed) this.#emit("welcome", control); // only the first message can be a welcome
    this.#welcomed = true;
  }

  // #control returns data as a message about the connection; null for an event. Events in UTF-8
  // come as text, so a binary message in UTF-8 is never an event.
  #control(data) {
    if (typeof data === "string" || this.#socket.protocol !== PROTOCOL) return null;
    try {
      return JSON.parse(UTF8.decode(data));
    } catch {
      return null;
    }
  }

  #setState(state, text) {
    this.state = state;
    this.#emit("state", { state, text });
  }

  #emit(name, detail) { this.dispatchEvent(new CustomEvent(name, { detail })); }
}

// parse returns the value of JSON text, undefined for other text. An integer that JavaScript would
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
