package plugintest

import (
	"runtime/debug"
	"sync"
	"time"

	"eventgateway/gateway/event"
)

const ruleAck = "Ack and Tried never block, and may be called from any goroutine until Close"

// receipt is the Ack of one batch. It is all that the suite knows of how a batch is settled.
type receipt struct {
	c     *check
	ack   func(error)
	tried func(int, time.Time)
	once  sync.Once
}

// newReceipt returns nil where the batch has no Ack.
func newReceipt(c *check, b event.Batch) *receipt {
	if b.Ack == nil {
		return nil
	}
	return &receipt{c: c, ack: b.Ack, tried: b.Tried}
}

// settle tells the source, once. The caller may be Emit, which the source waits for.
func (r *receipt) settle(err error) {
	if r == nil {
		return
	}
	r.once.Do(func() {
		if r.tried != nil {
			r.within("Tried", func() { r.tried(1, time.Now()) })
		}
		r.within("Ack", func() { r.ack(err) })
	})
}

func (r *receipt) within(what string, f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				r.c.breaks(rulePanics, "%s panics: %v%s", what, p, place(debug.Stack()))
			}
		}()
		f()
	}()
	late := time.NewTimer(r.c.suite.patience(r.c.suite.returns))
	defer late.Stop()
	select {
	case <-done:
	case <-late.C:
		r.c.waited()
		r.c.breaks(ruleAck, "%s blocks", what)
	}
}
