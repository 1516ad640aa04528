package websocket

import (
	"errors"
	"os"
	"time"
)

// run sends until the connection ends, whoever ends it.
func (c *client) run() {
	defer c.finishRun()
	for {
		c.mu.Lock()
		c.runLocked = true
		controls, conflated, closing, drain, readEnded, switching := c.controls, c.conflated, c.closing, c.drain, c.readEnded, c.switching
		c.controls, c.conflated, c.gapQueued = nil, nil, false
		var frames []byte
		if !switching && (closing == nil || drain) {
			frames, c.position = c.position.unread()
		}
		sentTo, topic := c.position, c.topic
		c.runLocked = false
		c.mu.Unlock()
		if c.idleIn != topic.log {
			c.idleIn.removeIdle(c)
			c.idleIn = topic.log
		}
		if readEnded && (closing == nil || drain) {
			return
		}
		if len(controls) > 0 && !c.send(controls) || conflated != nil && !(c.sendMessages(conflated.frames()) && c.send(conflated.end)) {
			return
		}
		switch {
		case switching && (closing == nil || drain):
			<-c.wakeup
		case closing != nil && frames == nil:
			timeout := evictionTimeout
			if drain { // it has everything
				timeout = closeTimeout
			}
			c.releaseLog()
			c.conn.sendClose(closing, timeout)
			c.awaitReadEnd()
			return
		case frames != nil:
			counts := sentTo.withoutChunk() // nothing here keeps the log while a write is stuck
			if !c.sendMessages(frames) {
				return
			}
			c.mu.Lock()
			if c.topic == topic && counts.messages > c.sent.messages { // else it has skipped
				c.sent = counts
			}
			c.mu.Unlock()
		case topic.log.addIdle(c, sentTo):
			<-c.wakeup
		}
	}
}

// finishRun ends what run has begun. Where run panics, it ends this client and no other, and the panic goes on.
func (c *client) finishRun() {
	p := recover()
	if c.runLocked {
		c.mu.Unlock()
	}
	c.idleIn.removeIdle(c)
	if p != nil {
		c.noteReason("panic")
		c.endRead()
	}
	c.conn.Conn.Close() // and with it the reading side
	close(c.done)
	if p != nil {
		panic(p)
	}
}

// sendMessages writes frames of the topic's log.
func (c *client) sendMessages(frames []byte) bool {
	if c.conn.stream != nil {
		frames = c.conn.stream.events(frames)
	}
	return c.send(frames)
}

// send writes whole frames. After a write that failed the stream is of no use.
func (c *client) send(frames []byte) bool {
	_ = c.conn.Conn.SetWriteDeadline(time.Now().Add(c.sink.opts.WriteTimeout.D()))
	_, err := c.conn.Conn.Write(frames)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.noteReason("stuck")
	}
	return err == nil
}

// awaitReadEnd waits until the reading side has ended; the read deadline that
// sendClose has set bounds it.
func (c *client) awaitReadEnd() {
	for {
		c.mu.Lock()
		readEnded := c.readEnded
		c.mu.Unlock()
		if readEnded {
			return
		}
		<-c.wakeup
	}
}

// releaseLog lets go of the log, which is kept from the client's position on.
func (c *client) releaseLog() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.position = position{}
}
