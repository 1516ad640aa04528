package router

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/plugin"
)

// pinged is a sink that takes what comes, and has a server that is there or not.
type pinged struct {
	plugin.Sink
	there atomic.Bool
	pings atomic.Int32
}

func (p *pinged) Ping(context.Context) error {
	p.pings.Add(1)
	if p.there.Load() {
		return nil
	}
	return plugin.Unavailable(errSink)
}

// TestIdleSinkIsPinged: that its server is away, and that it is back, shows within two
// seconds, although no event comes; and a stop does not wait.
func TestIdleSinkIsPinged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := &notes[string]{}
		sink := &pinged{Sink: sinkFunc(func(_ context.Context, e []*event.Event) error { got.add(texts(e)...); return nil })}
		sink.there.Store(true)
		r := start(t, Graph{
			Sources: []SourceSpec{sourceSpec("in", emits(3, nil))},
			Sinks:   []SinkSpec{sinkSpec("out", sink, nil)}, Routes: routeTo("out"),
		})
		time.Sleep(time.Minute)
		if st := r.Status().Sinks[0]; !st.Up || st.Errors != 0 || sink.pings.Load() < 50 {
			t.Errorf("%d pings, %+v", sink.pings.Load(), st)
		}
		for range 10 {
			sink.there.Store(false)
			time.Sleep(1500 * time.Millisecond)
			if st := r.Status().Sinks[0]; st.Up || st.Breaker.State == stats.BreakerClosed {
				t.Errorf("away: %+v", st)
			}
			time.Sleep(time.Minute)
			sink.there.Store(true)
			time.Sleep(1500 * time.Millisecond)
			if st := r.Status().Sinks[0]; !st.Up || st.Breaker.State != stats.BreakerClosed {
				t.Errorf("there again: %+v", st)
			}
		}
		begin := time.Now()
		if err := r.stop(); err != nil || time.Since(begin) > 0 {
			t.Errorf("stopped after %v: %v", time.Since(begin), err)
		}
		if n := len(got.all()); n != 3 {
			t.Errorf("%d events", n)
		}
	})
}

// TestPingDoesNotMendEvents: where events fail, an answer of the server does not close the breaker.
func TestPingDoesNotMendEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &pinged{Sink: eventsFail(&notes[string]{}, func(string) error { return errSink })}
		sink.there.Store(true)
		r := start(t, Graph{
			Sources: []SourceSpec{sourceSpec("in", emits(100, nil))},
			Sinks: []SinkSpec{sinkSpec("out", sink, func(d *delivery.Options) {
				d.Queue.Batch, d.Ordering, d.Breaker.Failures = 1, delivery.OrderingNone, 5
			})},
			Routes: routeTo("out"),
		})
		time.Sleep(10 * time.Second)
		if st := r.Status().Sinks[0]; st.Up || st.Breaker.State != stats.BreakerOpen || st.Errors != 5 {
			t.Errorf("%+v", st)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}
