package plugintest

import (
	"context"
	"errors"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

const ruleHistory = "a history has the events that were emitted, with the same positions, in their order, in each instance"

// checkHistory reads the history while the source runs, and by an instance that does not run.
func (h SourceHarness) checkHistory(c *check) {
	opts := optionsOf(c, h.Type, h.Reachable)
	t := h.newRunner(c, opts)
	reader, reads := any(t.i.impl).(plugin.HistorySource)
	store, stores := opts.(plugin.HistoryStore)
	if reads != stores {
		c.Fatalf("a source with a history needs both: ReadHistory, and HistoryID of its options")
	}
	if !reads || h.Send == nil {
		c.Skip("the source is no plugin.HistorySource")
	}
	if id, err := store.HistoryID(); err != nil || id == "" {
		c.Skip("the source has no history with these options")
	}
	t.startAndAwaitReady()
	h.send(c, c, h.payload(c, 0), h.payload(c, 1), h.payload(c, 2))
	if !t.out.await(c.suite.timeout(c.suite.arrivalTimeout), func(s state) bool { return len(s.emitted) >= 3 || s.returned }) {
		c.timedOut()
		c.Fatalf("the events that were sent are not emitted")
	}
	emitted := map[string]event.Position{}
	for _, e := range t.out.state().emitted {
		emitted[string(e.event.Data)] = e.event.Position
	}
	h.compareHistory(c, reader, emitted)
	broken := errors.New("conformance")
	if err := h.readHistory(c, reader, c.ctx, func([]*event.Event) error { return broken }); !errors.Is(err, broken) && err != errPanicked {
		c.Errorf("ReadHistory returns %v after an error of take", err)
	}
	if err := h.readHistory(c, reader, endedContext(), func([]*event.Event) error { return nil }); err == nil {
		c.Errorf("ReadHistory returns nil although its context has ended: a part is taken for the whole")
	}
	t.stop()
	if other, ok := any(build(c, h.Type, opts).impl).(plugin.HistorySource); ok {
		h.compareHistory(c, other, emitted)
	}
}

// compareHistory compares the history with the events that were emitted, by payload.
func (h SourceHarness) compareHistory(c *check, reader plugin.HistorySource, emitted map[string]event.Position) {
	found, last := 0, event.Position{}
	err := h.readHistory(c, reader, c.ctx, func(events []*event.Event) error {
		for _, e := range events {
			if e.Position.Compare(last) <= 0 {
				c.Errorf("the position %v comes behind %v", e.Position, last)
			}
			last = e.Position
			if p, ok := emitted[string(e.Data)]; ok {
				found++
				if p != e.Position {
					c.Errorf("an event has the position %v when it is emitted, and %v in the history", p, e.Position)
				}
			}
		}
		return nil
	})
	if err != nil && err != errPanicked {
		c.Errorf("ReadHistory: %v", err)
	}
	if err == nil && found != len(emitted) {
		c.Errorf("the history has %d of %d events", found, len(emitted))
	}
}

func (h SourceHarness) readHistory(c *check, reader plugin.HistorySource, ctx context.Context, take func([]*event.Event) error) error {
	return c.call(ctx, "ReadHistory", func(ctx context.Context) error {
		return reader.ReadHistory(ctx, time.Now().Add(-time.Hour), take)
	})
}
