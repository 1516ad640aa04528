package router

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
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

// TestLongOutageIsToldOf, and not too often: when it begins, after a minute, 5 and 10, every 10
// from then on, and at the end. The reason has another port each time.
func TestLongOutageIsToldOf(t *testing.T) {
	for name, attempts := range map[string]int{"tried each second": 3600, "tried once, and no more": 1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &logged{}
				h := &health{log: log.logger()}
				h.up()
				time.Sleep(time.Minute)
				begin := time.Now()
				for i := range attempts {
					h.down(fmt.Errorf("read tcp 127.0.0.1:%d->127.0.0.1:6379: connection reset by peer", 40000+i), time.Second)
					time.Sleep(time.Second)
				}
				time.Sleep(time.Until(begin.Add(time.Hour + 12*time.Second)))
				h.up()
				if n := len(log.with("works again")); n != 0 {
					t.Errorf("%d lines say that it works, in the moment that it does", n)
				}
				time.Sleep(settlesAfter)
				synctest.Wait()
				var after []string
				for _, line := range log.with("still down") {
					_, rest, _ := strings.Cut(line, "down_for=")
					d, _, _ := strings.Cut(rest, " ")
					after = append(after, d)
				}
				if want := []string{"1m0s", "5m0s", "10m0s", "20m0s", "30m0s", "40m0s", "50m0s", "1h0m0s"}; !slices.Equal(after, want) {
					t.Errorf("reminders at %v, want %v", after, want)
				}
				if n, end := len(log.with("down, trying again")), fmt.Sprintf("after=1h0m12s attempts=%d", attempts); n != 1 || len(log.with("works again")) != 1 || len(log.with(end)) != 1 {
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
		h := &health{log: log.logger()}
		h.up()
		time.Sleep(time.Minute)
		h.down(errors.New("EOF"), 60*time.Millisecond)
		time.Sleep(60 * time.Millisecond)
		for range 20 {
			h.down(errors.New("wrong password"), time.Second)
			time.Sleep(time.Second)
			h.down(errors.New("EOF"), time.Second)
			time.Sleep(time.Second)
		}
		for _, reason := range []string{"EOF", "wrong password"} {
			if n := len(log.with(reason)); n != 1 {
				t.Errorf("%d lines say %s:\n%s", n, reason, log.String())
			}
		}
		h.up()
		time.Sleep(settlesAfter)
		synctest.Wait()
		h.down(errors.New("EOF"), time.Second)
		if n := len(log.with("EOF")); n != 2 {
			t.Errorf("another outage is not told of:\n%s", log.String())
		}
	})
}

// TestFlappingIsOneOutage: a source that is connected for a moment at each attempt does not
// work again each time.
func TestFlappingIsOneOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &logged{}
		r := New(log.logger())
		var well atomic.Bool
		src := sourceFunc(func(ctx context.Context, out plugin.Output) error {
			out.Ready()
			if well.Load() {
				<-ctx.Done()
				return nil
			}
			time.Sleep(10 * time.Millisecond)
			return plugin.Away(errors.New("the server is gone"))
		})
		run := startOn(t, r, Graph{Sources: []SourceSpec{sourceSpec("in", src)}, Sinks: []SinkSpec{sinkSpec("out", &keeps{}, nil)}, Routes: routeTo("out")})
		time.Sleep(12 * time.Minute)
		well.Store(true)
		time.Sleep(10 * time.Second)
		n := 0
		for _, msg := range []string{"msg=up ", "down, trying again", "still down", "works again"} {
			n += len(log.with(msg))
		}
		if n != 7 { // the source and the sink are up; the source is down, also at 1, 5 and 10 minutes, and works again
			t.Errorf("%d lines, of them\n%s", n, log.with("own"))
		}
		if len(log.with("works again")) != 1 || len(log.with("after=11m59"))+len(log.with("after=12m")) != 1 {
			t.Errorf("it does not say for how long it was down:\n%s", log.with("works again"))
		}
		if err := run.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestDisabledSinkIsRemindedOf: nothing is tried, and the log says that it is down all the same.
// After a stop nothing more is said.
func TestDisabledSinkIsRemindedOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &logged{}
		r := New(log.logger())
		run := startOn(t, r, Graph{
			Sources: []SourceSpec{sourceSpec("in", emits(1, nil))},
			Sinks:   []SinkSpec{sinkSpec("out", sinkFunc(func(context.Context, []*event.Event) error { return plugin.Disabling(errSink) }), nil)},
			Routes:  routeTo("out"),
		})
		time.Sleep(5*time.Minute + time.Second)
		if n := len(log.with("still down")); n != 2 {
			t.Errorf("%d reminders:\n%s", n, log.String())
		}
		_ = run.stop()
		before := log.String()
		time.Sleep(time.Hour)
		if after := log.String(); after != before {
			t.Errorf("after the stop:\n%s", after[len(before):])
		}
	})
}

// TestLeadingIsSaidOnce, however often the source of the leader fails; and again once another
// one may have led.
func TestLeadingIsSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &logged{}
		r := New(log.logger())
		server := &lockServer{changed: make(chan struct{})}
		var well atomic.Bool
		run := func(ctx context.Context, _ plugin.Output) error {
			if !well.Load() {
				return errors.New("there is no such table")
			}
			<-ctx.Done()
			return nil
		}
		lost := make(chan bool, 1)
		confirm := func(context.Context) error {
			select {
			case <-lost:
				return errors.New("the server is gone")
			default:
				return nil
			}
		}
		g := startOn(t, r, candidateGraph(&candidate{part: part{j: &journal{}, name: "a", from: run}, server: server, confirm: confirm}, &keeps{}))
		time.Sleep(time.Minute)
		if n := len(log.with("msg=leading")); n != 1 {
			t.Errorf("leading is said %d times in a minute", n)
		}
		if st := g.Status().Sources[0]; st.Attempts < 6 || !st.Failing {
			t.Errorf("%+v", st)
		}
		well.Store(true)
		time.Sleep(time.Minute)
		if n := len(log.with("msg=leading")); n != 1 {
			t.Errorf("leading is said %d times, and no other gateway could have led", n)
		}
		lost <- true
		time.Sleep(time.Minute)
		if n := len(log.with("msg=leading")); n != 2 {
			t.Errorf("leading is said %d times, and the leadership was lost once", n)
		}
		if err := g.stop(); err != nil {
			t.Error(err)
		}
	})
}
