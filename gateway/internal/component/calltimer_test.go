package component

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// TestCallTimer: a call that is late returns, and the next one begins, while the timer runs out.
func TestCallTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(slog.New(slog.DiscardHandler), "sink", "out", nil, nil, nil)
		w := c.NewCallTimer()
		for range 3 {
			w.Begin("Write", time.Second)
			time.Sleep(time.Second + CallGrace)
			w.Begin("Gap", time.Second)
			w.End()
		}
		synctest.Wait()
		if h := c.Health.Health(); h.Errors != 3 {
			t.Errorf("%+v", h)
		}
	})
}
