package websocket

import (
	"errors"
	"os"
	"time"
)

// run sends until the connection ends. It keeps little on its stack while the client is idle.
func (c *client) run() {
	defer c.finishRun()
	for {
		switch c.sendNext() {
		case sentAll:
			<-c.wakeup
		case ended:
			return
		}
	}
}

// Results of sendNext.
const (
	sentSome = iota // there may be more
	sentAll         // a wake-up follows when there is more
	ended           // the connection
)

// sendNext sends what is to be sent, in one write of frames of the logs at most.
func (c *client) sendNext() (result int) {
	o := c.takeOutput()
	if o.readEnded && !o.evicted() || !c.sendOutput(&o) {
		return ended
	}
	switch {
	case o.frames != nil:
		c.noteSent()
		return sentSome
	case o.closing != nil && !o.switching:
		timeout := evictionTimeout
		if o.drain { // it has every message
			timeout = closeTimeout
		}
		c.releaseLog()
		c.conn.sendClose(o.closing, timeout)
		c.awaitReadEnd()
		return ended
	}
	return sentAll
}

// sendOutput writes what is to be sent. It reports false if the connection must end.
func (c *client) sendOutput(o *output) bool {
	o.addSpans(c.sink.hub, c.sink.deflater, c.window) // first: a write that is stuck would keep the log behind the spans in memory
	if len(o.controls) > 0 && !c.send(o.controls) {
		return false
	}
	for _, k := range o.skips {
		if !c.sendSkip(k) {
			return false
		}
	}
	if o.frames == nil {
		return true
	}
	sent := c.sendMessages(o.frames)
	releaseBuffer(o.buffer)
	return sent
}

// noteSent records that the frames of a write are sent.
func (c *client) noteSent() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.readers {
		r.noteSent()
	}
}

// finishRun closes the connection when run ends. A panic of run closes this client only, and continues.
func (c *client) finishRun() {
	p := recover()
	if c.runLocked {
		c.mu.Unlock()
	}
	c.mu.Lock()
	for _, r := range c.readers {
		r.leaveIdle()
	}
	c.mu.Unlock()
	if p != nil {
		c.noteReason("panic")
		c.endRead()
	}
	c.noteReason("client")
	c.conn.Conn.Close() // ends the reading goroutine as well
	close(c.done)
	if p != nil {
		panic(p)
	}
}

// sendMessages writes frames of a log.
func (c *client) sendMessages(frames []byte) bool {
	if c.conn.stream != nil {
		frames = c.conn.stream.events(frames)
	}
	return c.send(frames)
}

// send writes whole frames. It reports false if the write failed; then the connection must end.
func (c *client) send(frames []byte) bool {
	_ = c.conn.Conn.SetWriteDeadline(time.Now().Add(c.sink.opts.WriteTimeout.D()))
	n, err := c.conn.Conn.Write(frames)
	c.sentBytes.Add(uint64(max(n, 0)))
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

// releaseLog clears the positions, which keep the logs behind them in memory.
func (c *client) releaseLog() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.readers {
		r.leaveIdle()
		r.position = position{}
	}
}
