package websocket

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
	"unique"

	"golang.org/x/time/rate"

	"eventgateway/gateway/plugin"
	"eventgateway/sinks/websocket/presence"
)

// maxControl bounds the control frames that wait for a client, in bytes. A client that
// requests answers and does not read them is disconnected.
const maxControl = 64 << 10

// How often a client may send subscribe. A new topic is filled from the history. A client that connects again needs
// one message more for each of its limits.subscriptions at once.
const (
	subscribesPerSecond = 10
	subscribeBurst      = 10
)

// client is one connection: its subscriptions, each a reader of a log, and the goroutine that sends their messages.
type client struct {
	sink      *sink
	address   string                // by which limits count it
	host      string                // for people
	agent     unique.Handle[string] // the user agent, which many clients share
	number    uint64                // of the connection, from 1 on; see clientList
	since     int64                 // nanoseconds since 1970: when it began
	sentBytes atomic.Uint64
	presence  *presence.Member    // nil: no presence is kept
	access    *plugin.AccessEntry // nil: the access log is off
	conn      *conn
	stream    *streamConn   // of a client that gets server-sent events by HTTP/2, else nil; only the goroutine of the handler
	protocol  bool          // speaks Protocol
	window    int           // largest payload that may be compressed for the client, in bytes; 0: none
	wakeup    chan struct{} // capacity 1
	done      chan struct{} // closed when run has ended
	runLocked bool          // run holds mu; only run
	runID     string        // id of the subscription to which messages belong, as the client was told; only run
	// Only the goroutine of the handler uses these, and the one that reads.
	request        *subscribeRequest // of the handshake, until the token comes
	awaitingToken  bool
	rights         rights
	expires        time.Time
	messages       *rate.Limiter // messages from the client; nil: no bound
	subscribes     *rate.Limiter // subscribe messages
	excessMessages int           // messages beyond the bound

	mu         sync.Mutex  // guards what follows
	readers    []*reader   // the subscriptions
	turn       int         // index of the reader that takeRuns visits next
	hasSkip    bool        // a reader has a skip
	attributed bool        // a reader gets attributes
	admitted   bool        // it has no token to send any more, and gets messages
	controls   []byte      // control frames to send between those of the logs
	gapQueued  bool        // controls has a gap message
	closing    []byte      // close frame, the last frame to send
	drain      bool        // send the logs before the close frame
	readEnded  bool        // the reading goroutine has ended
	reason     string      // of the disconnect
	subject    string      // of the token
	started    bool        // start was called; only the handler's goroutine
	timer      *time.Timer // closes the client when its token expires, or does not come
}

func newClient(s *sink, host, userAgent string, access *plugin.AccessEntry) *client {
	limits := s.opts.Limits
	c := &client{sink: s, address: limitKey(host), host: host, agent: unique.Make(shorten(userAgent)), since: time.Now().UnixNano(), access: access, wakeup: make(chan struct{}, 1), done: make(chan struct{}), subscribes: rate.NewLimiter(subscribesPerSecond, subscribeBurst+limits.Subscriptions)}
	c.presence = s.newMember(c.wake)
	if n := limits.Messages; n > 0 {
		c.messages = rate.NewLimiter(rate.Limit(n), 2*n)
	}
	return c
}

// wake makes run look for frames.
func (c *client) wake() {
	select {
	case c.wakeup <- struct{}{}:
	default:
	}
}

// start begins to send. It is called when the handshake is done.
func (c *client) start() {
	c.conn.upgraded.Store(true)
	c.started = true
	c.expire()
	c.sink.addClient(c)
	c.closeIfEnded() // a topic may have ended before addClient
	c.sink.env.Go(func(context.Context) { c.run() })
}

// admit queues the welcome, the first message, when the client needs no token any more. It needs mu.
func (c *client) admit() {
	if c.admitted {
		return
	}
	c.admitted = true
	if text := c.sink.welcome; text != nil {
		c.controls = append(c.controls, c.encodeControl(text)...)
	}
}

// queueNamed queues a control message that concerns one subscription. It needs mu.
func (c *client) queueNamed(id string, text []byte) {
	if c.protocol {
		c.controls = append(c.controls, controlFrame(namedMessage(id, text))...)
	}
}

// queueControl queues a control frame. It disconnects a client that has too many unread.
func (c *client) queueControl(frame []byte) {
	c.mu.Lock()
	full := len(c.controls)+len(frame) > maxControl
	if !full {
		c.controls = append(c.controls, frame...)
	}
	c.mu.Unlock()
	if full {
		c.close(closeFrame(closePolicy, "too many requests without reading the answers"), "policy", false)
		return
	}
	c.wake()
}

// queueGap queues a gap message, unless one is queued: both would be sent together, and mean the
// same. So gaps do not fill the queue of a slow client.
func (c *client) queueGap(frame []byte) {
	c.mu.Lock()
	queued := c.gapQueued
	c.gapQueued = true
	c.mu.Unlock()
	if !queued {
		c.queueControl(frame)
	}
}

// close closes the connection with a close frame. With drain the client gets the log first.
// Without, a write under way has evictionTimeout to end. The first call counts.
func (c *client) close(frame []byte, reason string, drain bool) {
	c.mu.Lock()
	first := c.closing == nil
	if first {
		c.closing, c.drain = frame, drain
	}
	c.mu.Unlock()
	if !first {
		return
	}
	c.noteReason(reason)
	if !drain {
		c.releaseLog()
		_ = c.conn.Conn.SetWriteDeadline(time.Now().Add(evictionTimeout))
	}
	c.wake()
}

// endRead records that the reading goroutine has ended.
func (c *client) endRead() {
	c.mu.Lock()
	c.readEnded = true
	c.mu.Unlock()
	_ = c.conn.Conn.SetWriteDeadline(time.Now().Add(closeTimeout))
	c.wake()
}

// noteReason records the reason of the disconnect; the first one counts.
func (c *client) noteReason(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reason == "" {
		c.reason = reason
		c.access.SetReason(reason)
	}
}

// recoverPanic closes the connection of this client only, where its request makes the sink panic. Without a connection
// it answers to w, which may be nil. The panic continues, and Env.Go counts it.
func (c *client) recoverPanic(w http.ResponseWriter) {
	p := recover()
	if p == nil {
		return
	}
	if c.conn == nil && w != nil {
		http.Error(w, "this request cannot be served", http.StatusInternalServerError)
	}
	if c.conn != nil {
		c.noteReason("panic")
		_ = c.conn.Conn.Close()
		c.endRead()
	}
	panic(p)
}
