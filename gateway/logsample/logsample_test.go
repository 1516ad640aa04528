package logsample

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestRepeatsAreCounted proves that a burst passes, that later lines pass once per interval, and that each line has the
// number of those before it that were left out.
func TestRepeatsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, log, out := Sampler{Interval: 10 * time.Second, Burst: 3}, (*slog.Logger)(nil), &bytes.Buffer{}
		log = slog.New(slog.NewTextHandler(out, nil))
		lines := func(n int) string {
			out.Reset()
			for range n {
				s.Log(log, slog.LevelWarn, "line", "n", n)
			}
			return out.String()
		}
		if got := lines(10); strings.Count(got, "msg=line") != 3 || strings.Contains(got, "suppressed") {
			t.Errorf("of ten lines: %s", got)
		}
		time.Sleep(10 * time.Second)
		if got := lines(5); strings.Count(got, "msg=line") != 1 || !strings.Contains(got, "n=5 suppressed=7") {
			t.Errorf("after an interval: %s", got)
		}
		time.Sleep(time.Minute)
		if got := lines(5); strings.Count(got, "msg=line") != 3 || strings.Count(got, "suppressed=4") != 1 {
			t.Errorf("after six intervals: %s", got)
		}
	})
}

// TestDisabledLinesDoNotCount proves that a line below the level of the log uses up nothing.
func TestDisabledLinesDoNotCount(t *testing.T) {
	var out bytes.Buffer
	log, s := slog.New(slog.NewTextHandler(&out, nil)), &Sampler{}
	s.Log(log, slog.LevelDebug, "left out")
	s.Log(log, slog.LevelInfo, "line")
	if got := out.String(); !strings.Contains(got, "msg=line") || strings.Contains(got, "suppressed") {
		t.Errorf("%s", got)
	}
}

// TestEveryLineIsCounted proves that concurrent lines are either written or counted.
func TestEveryLineIsCounted(t *testing.T) {
	s, written := &Sampler{Interval: time.Hour, Burst: 5}, 0
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				if _, ok := s.allow(time.Now()); ok {
					mu.Lock()
					written++
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	if written != 5 || s.suppressed != 795 {
		t.Errorf("%d written, %d counted", written, s.suppressed)
	}
}
