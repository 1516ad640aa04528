package component

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// TestCallTimer: each call that does not return in time is reported once, and no other.
func TestCallTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(slog.New(slog.DiscardHandler), "sink", "out", nil, nil, nil)
		timer := c.NewCallTimer()
		defer timer.Stop()
		for range 3 {
			timer.Begin(Write, time.Now().Add(time.Second))
			time.Sleep(time.Second + CallGrace + time.Nanosecond)
			timer.Begin(Gap, time.Now().Add(time.Second))
			timer.End()
			synctest.Wait()
		}
		for range 100 { // each returns in time, for longer than one may take
			timer.Begin(Write, time.Now().Add(time.Second))
			time.Sleep(time.Second)
			timer.End()
		}
		timer.Begin(Open, time.Now().Add(time.Second))
		time.Sleep(time.Hour)
		timer.End()
		if h := c.Health.Health(); h.Errors != 4 || h.LastError != "the plugin does not return from Open" {
			t.Errorf("%+v", h)
		}
	})
}

// TestCallTimerWatchesTheNextCall: a call returns at the moment at which it is overdue, and the next one begins.
func TestCallTimerWatchesTheNextCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const calls = 5000
		for range calls { // the timer and the caller meet at another place each time
			c := New(slog.New(slog.DiscardHandler), "sink", "out", nil, nil, nil)
			timer := c.NewCallTimer()
			timer.Begin(Write, time.Now())
			time.Sleep(CallGrace)
			timer.End()
			timer.Begin(Gap, time.Now())
			time.Sleep(CallGrace + time.Second)
			timer.End()
			timer.Stop()
			if h := c.Health.Health(); h.LastError != "the plugin does not return from Gap" {
				t.Fatalf("%+v", h)
			}
		}
	})
}
