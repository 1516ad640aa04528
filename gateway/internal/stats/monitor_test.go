package stats

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
		h := NewMonitor(slog.New(slog.NewTextHandler(&log, nil)))
		h.Up()
		h.Down(errors.New("a"), 100*time.Millisecond)
		time.Sleep(100 * time.Millisecond)
		h.Up()
		h.Down(errors.New("b"), 5*time.Minute)
		if !strings.Contains(log.String(), "error=b") {
			t.Errorf("it is down for five minutes, and the log says\n%s", log.String())
		}
		log.Reset()
		for i := range 1000 {
			h.Down(fmt.Errorf("reason %d", i), 10*time.Millisecond)
			time.Sleep(10 * time.Millisecond)
		}
		if n := strings.Count(log.String(), "\n"); n < 9 || n > 11 {
			t.Errorf("%d lines in ten seconds", n)
		}
	})
}

// TestFailingSinceIsFirstFailure proves that a component fails since the first failure behind its last success.
func TestFailingSinceIsFirstFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMonitor(slog.New(slog.DiscardHandler))
		m.Up()
		begin := time.Now()
		for range 3 {
			m.Failed(errors.New("refused"))
			time.Sleep(time.Second)
		}
		if h := m.Health(); h.FailingSince == nil || !h.FailingSince.Equal(begin) || !h.LastErrorAt.Equal(begin.Add(2*time.Second)) {
			t.Errorf("%+v", h)
		}
		m.Recovered()
		if h := m.Health(); h.FailingSince != nil || h.LastError == "" {
			t.Errorf("recovered: %+v", h)
		}
		m.Down(errors.New("gone"), time.Second)
		down := time.Now()
		if h := m.Health(); h.FailingSince == nil || !h.FailingSince.Equal(down) {
			t.Errorf("down: %+v", h)
		}
		time.Sleep(time.Second)
		m.Up()
		if h := m.Health(); h.FailingSince != nil {
			t.Errorf("up: %+v", h)
		}
		m.Stopped()
	})
}
