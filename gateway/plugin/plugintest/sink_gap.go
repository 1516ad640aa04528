package plugintest

import (
	"context"
	"sync"
	"time"

	"eventgateway/gateway/plugin"
)

const (
	ruleConcurrent = "Write may be called concurrently where the type says so"
	ruleGap        = "Gap is told, and events go on behind it"
)

// checkConcurrent has several goroutines write at the same time; the race detector looks on.
func (h SinkHarness) checkConcurrent(c *check) {
	if !h.Type.Has(plugin.Concurrent) {
		c.Skip("the type has no capability Concurrent")
	}
	const writers, writes = 4, 10
	i := h.opened(c, optionsOf(c, h.Type, h.Reachable))
	var next func() string
	if h.Receive != nil {
		c.hook(func() { next = h.Receive(c, i.env) })
	}
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for n := range writes {
				write(c, i, c.numbered(w*writes+n, 1))
			}
		})
	}
	if p, ok := any(i.impl).(plugin.Pinger); ok {
		writing.Go(func() { _ = c.call(c.ctx, "Ping", p.Ping) })
	}
	writing.Wait()
	if next == nil || c.Failed() {
		return
	}
	got := map[string]bool{}
	_ = c.call(c.ctx, "Receive", func(context.Context) error {
		for len(got) < writers*writes {
			if payload := next(); !c.stale(payload) {
				if got[payload] {
					break
				}
				got[payload] = true
			}
		}
		return nil
	})
	if len(got) != writers*writes {
		c.Errorf("%d different events arrived of %d", len(got), writers*writes)
	}
}

func (h SinkHarness) checkGap(c *check) {
	i := h.opened(c, optionsOf(c, h.Type, h.Reachable))
	g, ok := any(i.impl).(plugin.GapSink)
	if !ok {
		c.Skip("it is no plugin.GapSink")
	}
	var expect func(string, string)
	if h.Receive != nil {
		expect = h.receive(c, i)
	}
	for n, gap := range []plugin.Gap{{Source: "x", Reason: "conformance", ID: "1", Time: time.Now()}, {Reason: "its queue was full", Dropped: 7, ID: "2", Time: time.Now()}} {
		if err := c.call(c.ctx, "Gap", func(ctx context.Context) error { return g.Gap(ctx, gap) }); err != nil && err != errPanicked {
			c.Errorf("Gap: %v", err)
		}
		batch := c.numbered(n, 1)
		write(c, i, batch)
		if expect != nil {
			expect(string(batch[0].Data), "the event behind a gap")
		}
	}
	_ = c.await("Gap", c.begin("Gap", func() error {
		return g.Gap(endedContext(), plugin.Gap{Reason: "conformance", ID: "3", Time: time.Now()})
	}))
}
