package plugintest

import (
	"context"
	"time"

	"eventgateway/gateway/plugin"
)

const (
	ruleGap = "Gap succeeds, and events after it are delivered"
)

func (h SinkHarness) checkGap(c *check) {
	i := h.opened(c, optionsOf(c, h.Type, h.Reachable))
	g, ok := any(i.impl).(plugin.GapSink)
	if !ok {
		c.Skip("the sink is no plugin.GapSink")
	}
	var expect func(string, string)
	if h.Receive != nil {
		expect = h.receive(c, i)
	}
	for n, gap := range []plugin.Gap{{Source: "x", Reason: "conformance", ID: "1", Time: time.Now()}, {Reason: "its queue was full", Dropped: 7, ID: "2", Time: time.Now()}} {
		if err := c.call(c.ctx, "Gap", func(ctx context.Context) error { return g.Gap(ctx, gap) }); err != nil && err != errPanicked {
			c.Errorf("Gap: %v", err)
		}
		batch := c.newEvents(n, 1)
		write(c, i, batch)
		if expect != nil {
			expect(string(batch[0].Data), "the event after a gap")
		}
	}
	_ = c.await("Gap", c.begin("Gap", func() error {
		return g.Gap(endedContext(), plugin.Gap{Reason: "conformance", ID: "3", Time: time.Now()})
	}))
}
