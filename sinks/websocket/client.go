package websocket

import (
	"context"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxControl bounds the control frames that wait for a client, in bytes. A client that
// requests answers and does not read them is disconnected.
const maxControl = 64 << 10

// How often a client may change its subscription. A new topic is filled from the history.
const (
	subscribesPerSecond = 1
	subscribeBurst      = 10
)

// client is one connection: a position in the log of its topic, and the goroutine that sends the
// messages behind it.
type client struct {
	sink       *sink
	address    string // by which limits count it
	conn       *conn
	protocol   bool          // speaks Protocol
	window     int           // largest payload that may be compressed for the client, in bytes; 0: none
	wakeup     chan struct{} // capacity 1
	done       chan struct{} // closed when run has ended
	idleIndex  int           // index in the idle clients of a log, from 1; under the log's lock
	idleIn     *log          // that log; only run
	runLocked  bool          // run holds mu; only run
	startPoint startPoint    // for start
	// Only the goroutine of the handler uses these, and the one that reads.
	request        subscribeRequest // of the handshake, until the token comes
	awaitingToken  bool
	rights         rights
	expires        time.Time
	messages       *rate.Limiter // messages from the client; nil: no bound
	subscribes     *rate.Limiter // subscribe messages
	excessMessages int           // messages beyond the bound

	mu        sync.Mutex // guards what follows
	topic     *topic
	position  position    // in the topic's log, behind the messages that are sent or being sent
	sent      position    // behind the messages that are sent; only the counts
	writing   uint64      // bytes of the main log up to the first message that is being sent; 0: none, or it is not known
	conflated *conflation // messages to send before those of the log; nil: none
	controls  []byte      // control frames to send between those of the log
	gapQueued bool        // controls has a gap message
	closing   []byte      // close frame, the last frame to send
	drain     bool        // send the log before the close frame
	switching bool        // to another topic: send nothing of the log meanwhile
	readEnded bool        // the reading goroutine has ended
	reason    string      // of the disconnect, for the metrics
	started   bool        // only the handler's goroutine
	timer     *time.Timer // closes the client when its token expires, or does not come
}

func newClient(s *sink, address string) *client {
	c := &client{sink: s, address: address, wakeup: make(chan struct{}, 1), done: make(chan struct{}), subscribes: rate.NewLimiter(subscribesPerSecond, subscribeBurst)}
	if n := s.opts.Limits.Messages; n > 0 {
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
	c.startPoint.position = position{} // would keep the log in memory
	c.started = true
	c.expire()
	c.sink.addClient(c)
	c.closeIfEnded() // the topic may have ended before addClient
	c.sink.env.Go(func(context.Context) { c.run() })
}

// pauseLog stops, or resumes, sending the log while the client switches to another topic.
func (c *client) pauseLog(switching bool) {
	c.mu.Lock()
	c.switching = switching
	c.mu.Unlock()
	c.wake()
}

// queueWelcome queues the welcome, the first message. It needs mu once other goroutines use c.
func (c *client) queueWelcome() {
	if text := c.sink.welcome; text != nil {
		c.controls = append(c.controls, c.encodeControl(text)...)
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
	}
}

// lag is what a client was not sent of its topic.
type lag struct {
	messages, bytes uint64
	// since is the number of bytes of the main log up to the first message that was not sent. 0: there is none.
	since  uint64
	chunks uint64 // of the log that hold these messages
}

// lag returns the client's topic and lag.
func (c *client) lag() (t *topic, l lag) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l = lag{messages: c.topic.log.messages.Load() - c.sent.messages, bytes: c.topic.log.bytes.Load() - c.sent.bytes, since: c.writing}
	if l.since == 0 {
		l.since = c.firstUnsent()
	}
	if c.position.chunk != nil {
		l.chunks = c.topic.log.endPosition().chunk.number - c.position.chunk.number
	}
	return c.topic, l
}

// firstUnsent returns the number of bytes of the main log up to the message behind the position. It returns 0 if there
// is none, and for clients of the main topic, whose position has the number. It needs mu.
func (c *client) firstUnsent() uint64 {
	p := c.position
	if c.topic.feeder == nil || p.chunk == nil || !p.skipRead() {
		return 0
	}
	return p.chunk.bytesBefore + uint64(p.chunkOffset)
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
