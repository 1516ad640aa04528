package router

import (
	"context"
	"errors"
	"log/slog"
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
			return plugin.Unavailable(errors.New("the server is gone"))
		})
		run := startOn(t, r, Graph{Sources: []SourceSpec{sourceSpec("in", src)}, Sinks: []SinkSpec{sinkSpec("out", &keeps{}, nil)}, Routes: routeTo("out")})
		time.Sleep(11*time.Minute + 30*time.Second)
		well.Store(true)
		time.Sleep(10 * time.Second)
		n := 0
		for _, msg := range []string{"component up", "component down", "component still down", "component recovered"} {
			n += len(log.with(msg))
		}
		if n != 15 { // the source and the sink are up; the source is down, also after each of 11 minutes, and works again
			t.Errorf("%d lines, of them\n%s", n, log.with("own"))
		}
		if len(log.with("component recovered")) != 1 || len(log.with("down_for=11m29"))+len(log.with("down_for=11m30"))+len(log.with("down_for=11m31")) != 1 {
			t.Errorf("it does not say for how long it was down:\n%s", log.with("component recovered"))
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
		if n := len(log.with("component still down")); n != 5 {
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
