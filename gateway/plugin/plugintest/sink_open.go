package plugintest

import (
	"context"

	"eventgateway/gateway/plugin"
)

const (
	ruleOpen       = "Open may be called again, and its context ends when it has returned"
	ruleNoDelivery = "Open, Ping and Probe deliver nothing"
	rulePing       = "Ping reports whether the server is available"
)

// checkContext calls each method with a context that has ended, and writes afterwards.
func (h SinkHarness) checkContext(c *check) {
	i := build(c, h.Type, optionsOf(c, h.Type, h.Reachable))
	if o, ok := any(i.impl).(plugin.Opener); ok {
		if err := c.await("Open", c.begin("Open", func() error { return o.Open(endedContext()) })); err != nil {
			requireRetryableForRule(c, ruleCancelled, "Open with a context that has ended", err)
		}
	}
	_ = i.close()
	i = h.opened(c, optionsOf(c, h.Type, h.Reachable))
	batch := c.newEvents(0, 1)
	if err := c.await("Write", c.begin("Write", func() error { return i.impl.Write(endedContext(), batch) })); err != nil {
		requireRetryableForRule(c, ruleCancelled, "Write with a context that has ended", err)
	}
	if p, ok := any(i.impl).(plugin.Pinger); ok {
		if err := c.await("Ping", c.begin("Ping", func() error { return p.Ping(endedContext()) })); err != nil {
			requireRetryableForRule(c, ruleCancelled, "Ping with a context that has ended", err)
		}
	}
	for k := 0; ; k++ { // the sink must work again after such a write
		if err := h.writeWithRetry(c, i, k); err == nil {
			break
		} else if k == 5 {
			c.addFinding(ruleCancelled, "Write still fails after a Write whose context had ended: %v", err)
			break
		}
	}
}

// writeWithRetry writes as the router does: after a plugin.Unavailable error, it opens the sink and retries.
func (h SinkHarness) writeWithRetry(c *check, i *instance[plugin.Sink], n int) error {
	err := writeSink(c, i, n)
	if plugin.IsUnavailable(err) {
		if e := openSink(c, i); e != nil {
			return e
		}
		err = writeSink(c, i, n)
	}
	return err
}

// checkReopen opens a sink several times, as the router does after a plugin.Unavailable error.
func (h SinkHarness) checkReopen(c *check) {
	opts := optionsOf(c, h.Type, h.Reachable)
	var relays []*proxy
	addresses(opts, func(addr string) string {
		relays = append(relays, newProxy(c, addr))
		return relays[len(relays)-1].addr
	})
	i := h.opened(c, opts)
	if _, ok := any(i.impl).(plugin.Opener); !ok {
		return
	}
	writeForRule(c, ruleOpen, i, c.newEvents(0, 1))
	open := 0
	for _, r := range relays {
		open += r.open()
	}
	for range 5 {
		if err := openSink(c, i); err != nil && err != errPanicked {
			c.Fatalf("Open fails if it is called again: %v", err)
		}
	}
	writeForRule(c, ruleOpen, i, c.newEvents(1, 1))
	for _, r := range relays {
		if !c.poll(func() bool { return r.open() <= open+2 }) {
			c.Errorf("after five more Opens %d connections are open, %d before", r.open(), open)
			return
		}
	}
}

// checkNoDelivery checks that Open, Ping and Probe deliver no event.
func (h SinkHarness) checkNoDelivery(c *check) {
	i := h.opened(c, optionsOf(c, h.Type, h.Reachable))
	expect := h.receive(c, i)
	_ = openSink(c, i)
	if p, ok := any(i.impl).(plugin.Pinger); ok {
		_ = c.call(c.ctx, "Ping", p.Ping)
	}
	if p, ok := any(i.impl).(plugin.Prober); ok {
		_ = c.call(c.ctx, "Probe", func(ctx context.Context) error { p.Probe(ctx); return nil })
	}
	batch := c.newEvents(0, 1)
	write(c, i, batch)
	expect(string(batch[0].Data), "the first event after Open, Ping and Probe")
}

func (h SinkHarness) checkPing(c *check) {
	i := h.opened(c, optionsOf(c, h.Type, h.Reachable))
	p, ok := any(i.impl).(plugin.Pinger)
	if !ok {
		c.Skip("the sink is no plugin.Pinger")
	}
	if err := c.call(c.ctx, "Ping", p.Ping); err != nil && err != errPanicked {
		c.Errorf("Ping fails while the server is available: %v", err)
	}
	_ = i.close()
	if h.Unreachable == nil {
		return
	}
	i = build(c, h.Type, optionsOf(c, h.Type, h.Unreachable))
	if openSink(c, i) != nil { // the router pings only an open sink
		return
	}
	err := c.call(c.ctx, "Ping", any(i.impl).(plugin.Pinger).Ping)
	if err == nil {
		c.Errorf("Ping returns nil while the server is unavailable")
	} else {
		requireRetryable(c, "Ping", err)
	}
}

// checkCancelled checks that Write delivers the event if it returns nil, with a context that has ended.
func (h SinkHarness) checkCancelled(c *check) {
	i := h.opened(c, optionsOf(c, h.Type, h.Reachable))
	expect := h.receive(c, i)
	batch := c.newEvents(0, 1)
	if err := c.await("Write", c.begin("Write", func() error { return i.impl.Write(endedContext(), batch) })); err == nil {
		expect(string(batch[0].Data), "an event for which Write has returned nil, with an ended context,")
	}
}
