package router

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestLastLineIsTrue: a component that stays down is said to be, whatever was said a moment
// before; and one whose reason is another each time does not fill the log.
func TestLastLineIsTrue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		h := &health{log: slog.New(slog.NewTextHandler(&log, nil))}
		h.up()
		h.down(errors.New("a"), 100*time.Millisecond)
		time.Sleep(100 * time.Millisecond)
		h.up()
		h.down(errors.New("b"), 5*time.Minute)
		if !strings.Contains(log.String(), "error=b") {
			t.Errorf("it is down for five minutes, and the log says\n%s", log.String())
		}
		log.Reset()
		for i := range 1000 {
			h.down(fmt.Errorf("reason %d", i), 10*time.Millisecond)
			time.Sleep(10 * time.Millisecond)
		}
		if n := strings.Count(log.String(), "\n"); n < 9 || n > 11 {
			t.Errorf("%d lines in ten seconds", n)
		}
	})
}

// TestLateFailureDoesNotHide: two workers write at once, one fails, the other succeeds and closes the
// breaker. Who is late to note the failure must not leave the sink down: nothing may come for hours.
func TestLateFailureDoesNotHide(t *testing.T) {
	d := DefaultDelivery()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	s := &sink{component: component{log: log, health: &health{log: log}}, breaker: newBreaker(d)}
	defer s.health.stopped()
	s.health.up()
	enter := func() pass {
		p, ok := s.breaker.enter(t.Context(), func() bool { return false })
		if !ok {
			t.Fatal("the breaker is closed")
		}
		return p
	}
	late, well := enter(), enter()
	pause := s.breaker.leave(late, sinkBad, 0)
	s.breaker.leave(well, works, 0)
	s.health.up()
	s.down(errors.New("reset"), pause)
	if st := s.health.snapshot(); !st.Up || st.Failing || s.breaker.status().State != BreakerClosed {
		t.Errorf("%+v, the breaker is %s", st, s.breaker.status().State)
	}
	p := enter()
	s.down(errors.New("reset"), s.breaker.leave(p, sinkBad, 0))
	if st := s.health.snapshot(); st.Up || !st.Failing {
		t.Errorf("the breaker is open: %+v", st)
	}
}
