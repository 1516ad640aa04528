package websocket

import (
	"errors"
	"os"
	"time"
)

// run sends until the connection ends.
func (c *client) run() {
	defer c.finishRun()
	for {
		c.mu.Lock()
		c.runLocked = true
		controls, conflated, closing, drain, readEnded, switching := c.controls, c.conflated, c.closing, c.drain, c.readEnded, c.switching
		c.controls, c.conflated, c.gapQueued = nil, nil, false
		var frames []byte
		var buffer *[]byte
		var begin position
		if !switching && (closing == nil || drain) {
			c.writing = c.firstUnsent()
			if begin = c.position; c.window > 0 {
				frames, c.position = begin.skipRun()
			} else {
				frames, c.position, buffer = c.position.gather()
			}
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
			if drain { // it has every message
				timeout = closeTimeout
			}
			c.releaseLog()
			c.conn.sendClose(closing, timeout)
			c.awaitReadEnd()
			return
		case frames != nil:
			if c.window > 0 {
				frames, buffer = c.sink.deflater.frames(begin, sentTo, c.window)
			}
			counts := sentTo.withoutChunk() // a write that is stuck keeps no chunk in memory
			sent := c.sendMessages(frames)
			releaseBuffer(buffer)
			if !sent {
				return
			}
			c.mu.Lock()
			c.writing = 0
			if c.topic == topic && counts.messages > c.sent.messages { // else skipToEnd was called meanwhile
				c.sent = counts
			}
			c.mu.Unlock()
		case topic.log.addIdle(c, sentTo):
			<-c.wakeup
		}
	}
}

// finishRun closes the connection when run ends. A panic of run closes this client only, and continues.
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
	c.conn.Conn.Close() // ends the reading goroutine as well
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

// send writes whole frames. It reports false if the write failed; then the connection must end.
func (c *client) send(frames []byte) bool {
	_ = c.conn.Conn.SetWriteDeadline(time.Now().Add(c.sink.opts.WriteTimeout.D()))
	_, err := c.conn.Conn.Write(frames)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.noteReason("stuck")
	}
	return err == nil
}

// awaitReadEnd waits until the reading goroutine has ended. The read deadline of sendClose
// bounds it.
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

// releaseLog clears the position, which keeps the log behind it in memory.
func (c *client) releaseLog() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.position = position{}
}
