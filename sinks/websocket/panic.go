package websocket

import "net/http"

// cutOff ends the connection of a client whose requests make the sink panic, and no other; w is for the answer
// where there is no connection yet, or nil. The panic goes on: Env.Go counts it.
func (c *client) cutOff(w http.ResponseWriter) {
	p := recover()
	if p == nil {
		return
	}
	if c.conn == nil && w != nil {
		http.Error(w, "this request cannot be served", http.StatusInternalServerError)
	}
	if c.conn != nil {
		c.ended("panic")
		_ = c.conn.Conn.Close()
		c.hangUp()
	}
	panic(p)
}

// finish ends what run has begun. Where run panics, it ends this client and no other, and the panic goes on.
func (c *client) finish() {
	p := recover()
	if c.locked {
		c.mu.Unlock()
	}
	c.parkedIn.forget(c)
	if p != nil {
		c.ended("panic")
		c.hangUp()
	}
	c.conn.Conn.Close() // and with it the reading side
	close(c.finished)
	if p != nil {
		panic(p)
	}
}
