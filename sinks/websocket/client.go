package websocket

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxControl bounds in bytes what waits for a client beside the log: answers to
// its pings, and messages about gaps. One that asks and does not read is disconnected.
const maxControl = 64 << 10

// maxRefused is how many messages are read of a client that was sent away for their number,
// while it has time to answer the close frame.
const maxRefused = 1000

// How often a client may change its subscription: a new topic is made of the history.
const (
	movesPerSecond = 1
	movesAtOnce    = 10
)

// client is one connection: a position in the log and the goroutine that sends
// from there on.
type client struct {
	sink     *sink
	address  string // as the limits count it
	conn     *conn
	protocol bool          // speaks Protocol
	woken    chan struct{} // capacity 1
	finished chan struct{} // closed when the goroutine has ended
	parkedAt int           // place in a log's list of those who wait, from 1; under its lock
	parkedIn *log          // that log; only run
	locked   bool          // run has locked mu for itself; only run
	begin    start         // in the topic, for start
	// Who it is, and what it asked for when it came. Only the handler's goroutine, and
	// that which reads.
	wish     wish
	waiting  bool // for its token
	rights   rights
	expires  time.Time
	messages *rate.Limiter // that it sends; nil: no bound
	moves    *rate.Limiter // subscriptions by message
	refused  int           // messages beyond those that it may send

	mu       sync.Mutex // guards what follows
	topic    *topic
	position position    // behind what is sent or being sent, in the topic's log
	counted  position    // behind what is sent; only its counts
	kept     *kept       // messages to send before those of the log; nil: none
	answers  []byte      // control frames to send between those of the log
	gapWaits bool        // one of answers tells of a gap
	closing  []byte      // close frame, the last thing to send
	drain    bool        // send all of the log before it
	moving   bool        // to another topic: what the log has is left for later
	hungUp   bool        // nobody reads any more
	reason   string      // why it ended, for the metrics
	started  bool        // only the handler's goroutine
	timer    *time.Timer // ends it
}

func newClient(s *sink, address string) *client {
	c := &client{sink: s, address: address, woken: make(chan struct{}, 1), finished: make(chan struct{}), moves: rate.NewLimiter(movesPerSecond, movesAtOnce)}
	if n := s.opts.Limits.Messages; n > 0 {
		c.messages = rate.NewLimiter(rate.Limit(n), 2*n)
	}
	return c
}

func (c *client) wake() {
	select {
	case c.woken <- struct{}{}:
	default:
	}
}

// start begins sending; melody calls it when the handshake is done.
func (c *client) start() {
	c.conn.upgraded.Store(true)
	c.position, c.counted = c.begin.position, c.begin.position.counts()
	if !c.waiting {
		c.greet()
	}
	if c.protocol && !c.waiting {
		c.answers = append(c.answers, controlFrame(subscribedMessage(c.begin))...)
	}
	c.begin.position = position{} // it would keep the log
	c.started = true
	c.expire()
	c.sink.add(c)
	c.endWith(c.topic) // where it has ended before the client was listed
	c.sink.env.Go(func(context.Context) { c.run() })
}

// pause has the client's goroutine send nothing of the log while it moves to another topic.
func (c *client) pause(moving bool) {
	c.mu.Lock()
	c.moving = moving
	c.mu.Unlock()
	c.wake()
}

// greet adds the welcome, the first message of all. It needs mu, or nobody else who knows c.
func (c *client) greet() {
	if text := c.sink.welcome; text != nil {
		c.answers = append(c.answers, c.control(text)...)
	}
}

// run sends until the connection ends, whoever ends it.
func (c *client) run() {
	defer c.finish()
	for {
		c.mu.Lock()
		c.locked = true
		answers, kept, closing, drain, hungUp, moving := c.answers, c.kept, c.closing, c.drain, c.hungUp, c.moving
		c.answers, c.kept, c.gapWaits = nil, nil, false
		var frames []byte
		if !moving && (closing == nil || drain) {
			frames, c.position = c.position.next()
		}
		here, topic := c.position, c.topic
		c.locked = false
		c.mu.Unlock()
		if c.parkedIn != topic.log {
			c.parkedIn.forget(c)
			c.parkedIn = topic.log
		}
		if hungUp && (closing == nil || drain) {
			return
		}
		if len(answers) > 0 && !c.send(answers) || kept != nil && !(c.sendMessages(kept.frames()) && c.send(kept.end)) {
			return
		}
		switch {
		case moving && (closing == nil || drain):
			<-c.woken
		case closing != nil && frames == nil:
			patience := farewell
			if drain { // it has everything
				patience = lingering
			}
			c.release()
			c.conn.sendClose(closing, patience)
			c.awaitHangUp()
			return
		case frames != nil:
			counts := here.counts() // nothing here keeps the log while a write is stuck
			if !c.sendMessages(frames) {
				return
			}
			c.mu.Lock()
			if c.topic == topic && counts.messages > c.counted.messages { // else it has skipped
				c.counted = counts
			}
			c.mu.Unlock()
		case topic.log.park(c, here):
			<-c.woken
		}
	}
}

// release lets go of the log, which is kept from the client's position on.
func (c *client) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.position = position{}
}

// sendMessages writes frames of the topic's log.
func (c *client) sendMessages(frames []byte) bool {
	if c.conn.stream != nil {
		frames = c.conn.stream.messages(frames)
	}
	return c.send(frames)
}

// send writes whole frames. After a write that failed the stream is of no use.
func (c *client) send(frames []byte) bool {
	_ = c.conn.Conn.SetWriteDeadline(time.Now().Add(c.sink.opts.WriteTimeout.D()))
	_, err := c.conn.Conn.Write(frames)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.ended("stuck")
	}
	return err == nil
}

// awaitHangUp waits until the reading side has ended; the read deadline that
// sendClose has set bounds it.
func (c *client) awaitHangUp() {
	for {
		c.mu.Lock()
		hungUp := c.hungUp
		c.mu.Unlock()
		if hungUp {
			return
		}
		<-c.woken
	}
}

// enqueue adds a frame to send beside the log.
func (c *client) enqueue(frame []byte) {
	c.mu.Lock()
	full := len(c.answers)+len(frame) > maxControl
	if !full {
		c.answers = append(c.answers, frame...)
	}
	c.mu.Unlock()
	if full {
		c.close(closeFrame(closePolicy, "too many requests without reading the answers"), "policy", false)
		return
	}
	c.wake()
}

// enqueueGap adds a message about a gap. Where one waits already it would be sent together
// with this one, and says the same: however many gaps there are, a client that reads slowly
// keeps no more of them, and is not sent away for them.
func (c *client) enqueueGap(frame []byte) {
	c.mu.Lock()
	waits := c.gapWaits
	c.gapWaits = true
	c.mu.Unlock()
	if !waits {
		c.enqueue(frame)
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
	c.ended(reason)
	if !drain {
		c.release()
		_ = c.conn.Conn.SetWriteDeadline(time.Now().Add(farewell))
	}
	c.wake()
}

// hangUp notes that the reading side has ended.
func (c *client) hangUp() {
	c.mu.Lock()
	c.hungUp = true
	c.mu.Unlock()
	_ = c.conn.Conn.SetWriteDeadline(time.Now().Add(lingering))
	c.wake()
}

// ended notes why the connection ends; the first reason counts.
func (c *client) ended(reason string) {
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
	return c.topic, c.topic.log.messages.Load() - c.counted.messages, c.topic.log.bytes.Load() - c.counted.bytes
}
