package plugintest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

const (
	ruleDelivers   = "Write delivers each event once, in order, before it returns nil"
	ruleUnchanged  = "Write changes neither the events nor their slice"
	ruleSliceReuse = "Write does not use the slice after it has returned"
	ruleConcurrent = "Write may be called concurrently if the type has the capability Concurrent"
	ruleAnyEvent   = "Write handles any event, and an event that is refused does not fail others"
)

// batchSize returns how many events the suite writes at once, at most 10.
func (h SinkHarness) batchSize() int {
	if n, bounded := h.Type.MaxBatch(); bounded && n > 0 {
		return min(10, n)
	}
	return 10
}

// receive calls the hook Receive. It returns a function that checks that the next payload is the expected one.
func (h SinkHarness) receive(c *check, i *instance[plugin.Sink]) (expect func(want, what string)) {
	if h.Receive == nil {
		c.Skip("the harness has no Receive")
	}
	var next func() string
	c.callHook(func() { next = h.Receive(c, i.env) })
	return func(want, what string) {
		got := make(chan string, 1)
		go func() {
			clearLabels()
			defer close(got)
			defer c.recover()
			payload := next()
			for range eventsPerRule {
				if payload == want || !c.isStale(payload) || c.ctx.Err() != nil {
					break
				}
				payload = next()
			}
			got <- payload
		}()
		timer := time.NewTimer(c.suite.timeout(c.suite.arrivalTimeout))
		defer timer.Stop()
		select {
		case payload, ok := <-got:
			if ok && payload != want {
				c.Errorf("%s arrived as %.80q, want %.80q (Receive has to skip what has arrived before its call, and to return payloads without what the sink puts around them)", what, payload, want)
				c.stop()
			} else if !ok {
				c.Errorf("%s has not arrived", what)
				c.stop()
			}
		case <-timer.C:
			c.timedOut()
			c.Errorf("%s has not arrived", what)
			c.stop()
		}
	}
}

// write writes a batch that has to be delivered.
func write(c *check, i *instance[plugin.Sink], batch []*event.Event) {
	writeForRule(c, ruleDelivers, i, batch)
}

func writeForRule(c *check, rule string, i *instance[plugin.Sink], batch []*event.Event) {
	err := c.call(c.ctx, "Write", func(ctx context.Context) error { return i.impl.Write(ctx, batch) })
	if err == nil {
		return
	}
	if err != errPanicked {
		c.outcomes(err, len(batch))
		c.addFinding(rule, "Write: %v", err)
	}
	c.stop()
}

func (h SinkHarness) checkDelivery(c *check) {
	i := h.opened(c, optionsOf(c, h.Type, h.Reachable))
	expect := h.receive(c, i)
	n := 0
	for _, size := range []int{h.batchSize(), 1, h.batchSize()} {
		batch := c.newEvents(n, size)
		was := snapshotsOf(batch)
		write(c, i, batch)
		for k := range batch {
			expect(string(was[k].event.Data), fmt.Sprintf("event %d", n+k))
		}
		n += size
	}
	last := c.newEvents(n, 1)
	write(c, i, last)
	expect(string(last[0].Data), "the last event")
}

func (h SinkHarness) checkUnchanged(c *check) {
	i := h.opened(c, optionsOf(c, h.Type, h.Reachable))
	var was [][]snapshot
	for n := range 2 {
		batch := c.newEvents(n*10, h.batchSize())
		for _, e := range batch {
			e.Fence, e.Attempts = &event.Fence{Leader: "conformance", Term: int64(n + 1)}, &event.Attempts{Failed: 1, Last: Now()}
		}
		original := append([]*event.Event(nil), batch...)
		batch = append(make([]*event.Event, 0, len(batch)+2), batch...)
		was = append(was, snapshotsOf(batch))
		err := c.call(c.ctx, "Write", func(ctx context.Context) error { return i.impl.Write(ctx, batch) })
		if err == errPanicked {
			c.stop()
		}
		for k := range batch {
			if batch[k] != original[k] {
				c.Errorf("Write replaces the event at index %d of the slice", k)
			}
		}
		if batch[:len(batch)+1][len(batch)] != nil {
			c.Errorf("Write appends to the slice: copy it first")
		}
	}
	_ = i.close()
	for _, batch := range was {
		for k, e := range batch {
			if text := e.diff(); text != "" {
				c.Fatalf("event %d: %s", k, text)
			}
		}
	}
}

// checkSliceReuse reuses the slice after each Write, as the router does.
func (h SinkHarness) checkSliceReuse(c *check) {
	i := h.opened(c, optionsOf(c, h.Type, h.Reachable))
	expect := h.receive(c, i)
	slice := make([]*event.Event, h.batchSize())
	var want []string
	for n := range 3 {
		copy(slice, c.newEvents(n*len(slice), len(slice)))
		for _, e := range slice {
			want = append(want, string(e.Data))
		}
		write(c, i, slice)
		for k := range slice {
			slice[k] = &event.Event{Source: "test", Time: time.Now(), Data: []byte(`"the slice was reused"`)}
		}
	}
	for k, payload := range want {
		expect(payload, fmt.Sprintf("event %d, of a slice that was reused,", k))
	}
}

// checkAnyEvent writes each unusual event between two others.
func (h SinkHarness) checkAnyEvent(c *check) {
	i := h.opened(c, optionsOf(c, h.Type, h.Reachable))
	for what, odd := range unusualEvents() {
		batch := c.newEvents(0, 3)
		batch[1] = odd
		if h.batchSize() < 3 {
			batch = batch[1 : 1+min(2, h.batchSize())]
		}
		was := snapshotsOf(batch)
		err := c.call(c.ctx, "Write", func(ctx context.Context) error { return i.impl.Write(ctx, batch) })
		if err == errPanicked {
			continue
		}
		for _, e := range was {
			if text := e.diff(); text != "" {
				c.addFinding(ruleUnchanged, "an event with %s: %s", what, text)
			}
		}
		if err == nil {
			continue
		}
		each, single := c.outcomes(err, len(batch))
		switch {
		case !single && plugin.IsDisabling(err):
			c.Errorf("an event with %s disables the sink: %v", what, err)
		case !single && plugin.IsUnavailable(err):
			c.Errorf("Write returns plugin.Unavailable for an event with %s: %v", what, err)
		case !single && len(batch) > 1:
			c.Errorf("an event with %s fails its whole batch: return plugin.Failed with the index of the event: %v", what, err)
		case single && len(batch) == 3 && (each[0] != nil || each[2] != nil):
			c.Errorf("an event with %s fails other events of the batch: %v", what, err)
		}
	}
	write(c, i, c.newEvents(0, 1))
}

// checkConcurrent writes from several goroutines at the same time, for the race detector, too.
func (h SinkHarness) checkConcurrent(c *check) {
	if !h.Type.Has(plugin.Concurrent) {
		c.Skip("the type has no capability Concurrent")
	}
	const writers, writes = 4, 10
	i := h.opened(c, optionsOf(c, h.Type, h.Reachable))
	var next func() string
	if h.Receive != nil {
		c.callHook(func() { next = h.Receive(c, i.env) })
	}
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for n := range writes {
				write(c, i, c.newEvents(w*writes+n, 1))
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
			if payload := next(); !c.isStale(payload) {
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
