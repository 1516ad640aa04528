package plugintest

import (
	"context"
	"fmt"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

const (
	ruleDelivers  = "Write delivers each event once, in order, before it returns nil"
	ruleUnchanged = "Write changes neither the events nor their slice"
	ruleKeeps     = "Write keeps nothing of the slice when it has returned"
	ruleAny       = "Write takes any event, and one that is refused is not the others' fault"
)

// most is how many events the suite writes at once.
func (h SinkHarness) most() int {
	if n, bounded := h.Type.MaxBatch(); bounded && n > 0 {
		return min(10, n)
	}
	return 10
}

// receive calls the hook Receive, and returns a function that reports whether a payload is the next one.
func (h SinkHarness) receive(c *check, i *instance[plugin.Sink]) (expect func(want, what string)) {
	if h.Receive == nil {
		c.Skip("the harness has no Receive")
	}
	var next func() string
	c.hook(func() { next = h.Receive(c, i.env) })
	return func(want, what string) {
		got := make(chan string, 1)
		go func() {
			unlabelled()
			defer close(got)
			defer c.recover()
			payload := next()
			for range perRule {
				if payload == want || !c.stale(payload) || c.ctx.Err() != nil {
					break
				}
				payload = next()
			}
			got <- payload
		}()
		late := time.NewTimer(c.suite.patience(c.suite.arrives))
		defer late.Stop()
		select {
		case payload, ok := <-got:
			if ok && payload != want {
				c.Errorf("%s arrived as %.80q, want %.80q", what, payload, want)
				c.stop()
			} else if !ok {
				c.Errorf("%s has not arrived", what)
				c.stop()
			}
		case <-late.C:
			c.waited()
			c.Errorf("%s has not arrived", what)
			c.stop()
		}
	}
}

// write writes a batch that has to be delivered.
func write(c *check, i *instance[plugin.Sink], batch []*event.Event) {
	writeBy(c, ruleDelivers, i, batch)
}

func writeBy(c *check, rule string, i *instance[plugin.Sink], batch []*event.Event) {
	err := c.call(c.ctx, "Write", func(ctx context.Context) error { return i.impl.Write(ctx, batch) })
	if err == nil {
		return
	}
	if err != errPanicked {
		c.outcomes(err, len(batch))
		c.breaks(rule, "Write: %v", err)
	}
	c.stop()
}

func (h SinkHarness) delivers(c *check) {
	i := h.opened(c, optionsOf(c, h.Type, h.Reachable))
	expect := h.receive(c, i)
	n := 0
	for _, size := range []int{h.most(), 1, h.most()} {
		batch := c.numbered(n, size)
		was := copiesOf(batch)
		write(c, i, batch)
		for k := range batch {
			expect(string(was[k].event.Data), fmt.Sprintf("event %d", n+k))
		}
		n += size
	}
	last := c.numbered(n, 1)
	write(c, i, last)
	expect(string(last[0].Data), "the event behind them")
}

func (h SinkHarness) unchanged(c *check) {
	i := h.opened(c, optionsOf(c, h.Type, h.Reachable))
	var was [][]copied
	for n := range 2 {
		batch := c.numbered(n*10, h.most())
		for _, e := range batch {
			e.Fence, e.Attempts = &event.Fence{Leader: "conformance", Term: int64(n + 1)}, &event.Attempts{Failed: 1, Last: Now()}
		}
		mine := append([]*event.Event(nil), batch...)
		batch = append(make([]*event.Event, 0, len(batch)+2), batch...)
		was = append(was, copiesOf(batch))
		err := c.call(c.ctx, "Write", func(ctx context.Context) error { return i.impl.Write(ctx, batch) })
		if err == errPanicked {
			c.stop()
		}
		for k := range batch {
			if batch[k] != mine[k] {
				c.Errorf("the slice has another event at index %d than before Write", k)
			}
		}
		if batch[:len(batch)+1][len(batch)] != nil {
			c.Errorf("Write appends to the slice, which is the router's")
		}
	}
	_ = i.close()
	for _, batch := range was {
		for k, e := range batch {
			if text := e.changed(); text != "" {
				c.Fatalf("event %d: %s", k, text)
			}
		}
	}
}

// keeps uses the slice again, as the router does, and looks whether what was in it has arrived.
func (h SinkHarness) keeps(c *check) {
	i := h.opened(c, optionsOf(c, h.Type, h.Reachable))
	expect := h.receive(c, i)
	slice := make([]*event.Event, h.most())
	var want []string
	for n := range 3 {
		copy(slice, c.numbered(n*len(slice), len(slice)))
		for _, e := range slice {
			want = append(want, string(e.Data))
		}
		write(c, i, slice)
		for k := range slice {
			slice[k] = &event.Event{Source: "test", Time: time.Now(), Data: []byte(`"the slice was used again"`)}
		}
	}
	for k, payload := range want {
		expect(payload, fmt.Sprintf("event %d, of a slice that was used again,", k))
	}
}

// takesAny writes odd events between others.
func (h SinkHarness) takesAny(c *check) {
	i := h.opened(c, optionsOf(c, h.Type, h.Reachable))
	for what, odd := range anyEvents() {
		batch := c.numbered(0, 3)
		batch[1] = odd
		if h.most() < 3 {
			batch = batch[1 : 1+min(2, h.most())]
		}
		was := copiesOf(batch)
		err := c.call(c.ctx, "Write", func(ctx context.Context) error { return i.impl.Write(ctx, batch) })
		if err == errPanicked {
			continue
		}
		for _, e := range was {
			if text := e.changed(); text != "" {
				c.breaks(ruleUnchanged, "an event with %s: %s", what, text)
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
			c.Errorf("an event with %s is said to be the server's fault (plugin.Unavailable): %v", what, err)
		case !single && len(batch) > 1:
			c.Errorf("an event with %s fails its whole batch: say by plugin.Failed which event it is: %v", what, err)
		case single && len(batch) == 3 && (each[0] != nil || each[2] != nil):
			c.Errorf("an event with %s fails events beside it: %v", what, err)
		}
	}
	write(c, i, c.numbered(0, 1))
}
