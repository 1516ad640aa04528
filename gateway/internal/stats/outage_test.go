package stats

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/testenv"
)

// logged is a log whose lines are looked at.
type logged struct{ testenv.Log }

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// with returns the lines that contain text.
func (l *logged) with(text string) (found []string) {
	for line := range strings.Lines(l.String()) {
		if strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return found
}

// TestLongOutageIsToldOf proves that the log tells when an outage begins, each minute while it lasts, and when it ends. The
// reason has another port each time.
func TestLongOutageIsToldOf(t *testing.T) {
	for name, attempts := range map[string]int{"tried each second": 3600, "tried once, and no more": 1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &logged{}
				h := NewMonitor(log.logger())
				h.Up()
				time.Sleep(time.Minute)
				begin := time.Now()
				for i := range attempts {
					h.Down(fmt.Errorf("read tcp 127.0.0.1:%d->127.0.0.1:6379: connection reset by peer", 40000+i), time.Second)
					time.Sleep(time.Second)
				}
				time.Sleep(time.Until(begin.Add(time.Hour + 12*time.Second)))
				h.Up()
				if n := len(log.with("component recovered")); n != 0 {
					t.Errorf("%d lines say that it works, in the moment that it does", n)
				}
				time.Sleep(upAfter)
				synctest.Wait()
				var after []string
				for _, line := range log.with("component still down") {
					_, rest, _ := strings.Cut(line, "down_for=")
					d, _, _ := strings.Cut(rest, " ")
					after = append(after, d)
				}
				var want []string
				for age := time.Minute; age <= time.Hour; age += time.Minute {
					want = append(want, age.String())
				}
				if !slices.Equal(after, want) {
					t.Errorf("reminders at %v, want %v", after, want)
				}
				if since := "down_since=" + begin.UTC().Format(time.RFC3339); len(log.with(since)) != len(want) {
					t.Errorf("reminders do not say %s:\n%s", since, log.String())
				}
				if n, end := len(log.with("component down")), fmt.Sprintf("down_for=1h0m12s attempts=%d", attempts); n != 1 || len(log.with("component recovered")) != 1 || len(log.with(end)) != 1 {
					t.Errorf("%d lines say that it is down, and %q is to be said once:\n%s", n, end, log.String())
				}
			})
		})
	}
}

// TestEachReasonIsToldOf: of two that come in one second the second is told when it comes again,
// and none of them twice.
func TestEachReasonIsToldOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &logged{}
		h := NewMonitor(log.logger())
		h.Up()
		time.Sleep(time.Minute)
		h.Down(errors.New("EOF"), 60*time.Millisecond)
		time.Sleep(60 * time.Millisecond)
		for range 20 {
			h.Down(errors.New("wrong password"), time.Second)
			time.Sleep(time.Second)
			h.Down(errors.New("EOF"), time.Second)
			time.Sleep(time.Second)
		}
		for _, reason := range []string{"EOF", "wrong password"} {
			if n := len(log.with(reason)); n != 1 {
				t.Errorf("%d lines say %s:\n%s", n, reason, log.String())
			}
		}
		h.Up()
		time.Sleep(upAfter)
		synctest.Wait()
		h.Down(errors.New("EOF"), time.Second)
		if n := len(log.with("EOF")); n != 2 {
			t.Errorf("another outage is not told of:\n%s", log.String())
		}
	})
}
