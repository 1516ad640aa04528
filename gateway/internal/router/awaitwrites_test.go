package router

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// TestLostLeadershipWaitsForWritesOnly: a gateway leads again when the write that was under
// way has ended. It does not wait for what a worker holds in its hands before a sink that is
// down for good, or what a dead-letter sink does not take: that is given back.
func TestLostLeadershipWaitsForWritesOnly(t *testing.T) {
	for name, c := range map[string]struct {
		write   func() error
		parked  int           // dead-letter sinks in a chain, the last of which takes nothing
		earlier time.Duration // when it leads again, at the latest, after the loss is noticed
		later   time.Duration // and at the earliest
	}{
		"a write":             {write: func() error { time.Sleep(20 * time.Second); return errSink }, later: 10 * time.Second, earlier: 25 * time.Second},
		"a disabled sink":     {write: func() error { return plugin.Disabling(errSink) }, earlier: time.Second},
		"a sink that is down": {write: func() error { return plugin.RetryAfter(errSink, 5*time.Minute) }, earlier: time.Second},
		"a dead letter":       {write: func() error { return plugin.Permanent(errSink) }, parked: 1, earlier: time.Second},
		"its dead letter":     {write: func() error { return plugin.Permanent(errSink) }, parked: 2, earlier: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var gone atomic.Bool
				acks, led := &notes[error]{}, &notes[time.Time]{}
				c1 := &candidate{part: part{j: &journal{}, name: "in"}, server: &lockServer{changed: make(chan struct{})}}
				c1.confirm = func(context.Context) error {
					if gone.Swap(false) {
						return errSink
					}
					return nil
				}
				c1.from = func(ctx context.Context, out plugin.Output) error {
					led.add(time.Now())
					if len(led.all()) == 1 {
						for range 10 {
							_ = out.Emit(ctx, event.Batch{Events: []*event.Event{{Time: time.Now(), Key: "k"}}, Ack: ackTo(func(err error) { acks.add(err) })})
						}
					}
					<-ctx.Done()
					return nil
				}
				g := candidateGraph(c1, sinkFunc(func(context.Context, []*event.Event) error { return c.write() }))
				for n := range c.parked {
					name := fmt.Sprint("letters", n+1)
					g.Sinks[n].Delivery.DeadLetter = name
					refuse := plugin.Permanent
					if n+1 == c.parked {
						refuse = plugin.Disabling
					}
					g.Sinks = append(g.Sinks, sinkSpec(name, sinkFunc(func(context.Context, []*event.Event) error { return refuse(errSink) }), nil))
				}
				r := start(t, g)
				time.Sleep(5 * time.Second)
				gone.Store(true)
				time.Sleep(2 * time.Minute)
				noticed := time.Date(2000, 1, 1, 0, 0, 6, 0, time.UTC) // the third confirmation
				if at := led.all(); len(at) != 2 || at[1].Sub(noticed) > c.earlier || at[1].Sub(noticed) < c.later {
					t.Errorf("it led at %v", at)
				}
				if n := len(acks.all()); n != 10 {
					t.Errorf("%d of 10 were settled", n)
				}
				if err := r.stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
