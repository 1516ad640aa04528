package websocket

import (
	"context"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxControl bounds in bytes what waits for a client beside the log: answers to
// its pings, and messages about gaps. One that asks and does not read is disconnected.
const maxControl = 64 << 10

// How often a client may change its subscription: a new topic is made of the history.
const (
	subscribesPerSecond = 1
	subscribeBurst      = 10
)

// client is one connection: a position in the log and the goroutine that sends
// from there on.
type client struct {
	sink       *sink
	address    string // as the limits count it
	conn       *conn
	protocol   bool          // speaks Protocol
	wakeup     chan struct{} // capacity 1
	done       chan struct{} // closed when the goroutine has ended
	idleIndex  int           // place in a log's list of those who wait, from 1; under its lock
	idleIn     *log          // that log; only run
	runLocked  bool          // run has locked mu for itself; only run
	startPoint startPoint    // in the topic, for start
	// Who it is, and what it asked for when it came. Only the handler's goroutine, and
	// that which reads.
	request        subscribeRequest
	awaitingToken  bool // for its token
	rights         rights
	expires        time.Time
	messages       *rate.Limiter // that it sends; nil: no bound
	subscribes     *rate.Limiter // subscriptions by message
	excessMessages int           // messages beyond those that it may send

	mu        sync.Mutex // guards what follows
	topic     *topic
	position  position    // behind what is sent or being sent, in the topic's log
	sent      position    // behind what is sent; only its counts
	conflated *conflation // messages to send before those of the log; nil: none
	controls  []byte      // control frames to send between those of the log
	gapQueued bool        // one of answers tells of a gap
	closing   []byte      // close frame, the last thing to send
	drain     bool        // send all of the log before it
	switching bool        // to another topic: what the log has is left for later
	readEnded bool        // nobody reads any more
	reason    string      // why it ended, for the metrics
	started   bool        // only the handler's goroutine
	timer     *time.Timer // ends it
}

func newClient(s *sink, address string) *client {
	c := &client{sink: s, address: address, wakeup: make(chan struct{}, 1), done: make(chan struct{}), subscribes: rate.NewLimiter(subscribesPerSecond, subscribeBurst)}
	if n := s.opts.Limits.Messages; n > 0 {
		c.messages = rate.NewLimiter(rate.Limit(n), 2*n)
	}
	return c
}

func (c *client) wake() {
	select {
	case c.wakeup <- struct{}{}:
	default:
	}
}

// start begins sending; melody calls it when the handshake is done.
func (c *client) start() {
	c.conn.upgraded.Store(true)
	c.position, c.sent = c.startPoint.position, c.startPoint.position.withoutChunk()
	if !c.awaitingToken {
		c.queueWelcome()
	}
	if c.protocol && !c.awaitingToken {
		c.controls = append(c.controls, controlFrame(subscribedMessage(c.startPoint))...)
	}
	c.startPoint.position = position{} // it would keep the log
	c.started = true
	c.expire()
	c.sink.addClient(c)
	c.closeIfEnded(c.topic) // where it has ended before the client was listed
	c.sink.env.Go(func(context.Context) { c.run() })
}

// pauseLog has the client's goroutine send nothing of the log while it moves to another topic.
func (c *client) pauseLog(switching bool) {
	c.mu.Lock()
	c.switching = switching
	c.mu.Unlock()
	c.wake()
}

// queueWelcome adds the welcome, the first message of all. It needs mu, or nobody else who knows c.
func (c *client) queueWelcome() {
	if text := c.sink.welcome; text != nil {
		c.controls = append(c.controls, c.encodeControl(text)...)
	}
}

// queueControl adds a frame to send beside the log.
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

// queueGap adds a message about a gap. Where one waits already it would be sent together
// with this one, and says the same: however many gaps there are, a client that reads slowly
// keeps no more of them, and is not sent away for them.
func (c *client) queueGap(frame []byte) {
	c.mu.Lock()
	queued := c.gapQueued
	c.gapQueued = true
	c.mu.Unlock()
	if !queued {
		c.queueControl(frame)
	}
}

// close ends the connection with a close frame: after what the log holds now, or
// before it, where a write under way gets farewell to end.
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

// endRead notes that the reading side has ended.
func (c *client) endRead() {
	c.mu.Lock()
	c.readEnded = true
	c.mu.Unlock()
	_ = c.conn.Conn.SetWriteDeadline(time.Now().Add(closeTimeout))
	c.wake()
}

// noteReason notes why the connection ends; the first reason counts.
func (c *client) noteReason(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reason == "" {
		c.reason = reason
	}
}

// lag returns the client's topic, and how many messages and bytes of it the client has not got.
func (c *client) lag() (t *topic, messages, bytes uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.topic, c.topic.log.messages.Load() - c.sent.messages, c.topic.log.bytes.Load() - c.sent.bytes
}

// recoverPanic ends the connection of a client whose requests make the sink panic, and no other; w is for the answer
// where there is no connection yet, or nil. The panic goes on: Env.Go counts it.
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
