package router

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestCallTimer: a call that is late returns, and the next one begins, while the timer runs out.
func TestCallTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRouter(t)
		c := r.newComponent("sink", "out", nil, nil, nil)
		w := newCallTimer(&c)
		for range 3 {
			w.call("Write", time.Second)
			time.Sleep(time.Second + lateGrace)
			w.call("Gap", time.Second)
			w.returned()
		}
		synctest.Wait()
		if h := c.health.snapshot(); h.Errors != 3 {
			t.Errorf("%+v", h)
		}
	})
}
