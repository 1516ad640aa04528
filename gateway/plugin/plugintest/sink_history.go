package plugintest

import (
	"context"
	"errors"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

const ruleFills = "FillHistory takes the history, and returns the error of read; events after it are delivered"

// checkFill fills the history of a sink, and writes behind it.
func (h SinkHarness) checkFill(c *check) {
	i := h.opened(c, optionsOf(c, h.Type, h.Reachable))
	s, ok := any(i.impl).(plugin.HistorySink)
	if _, keeps := h.Type.Defaults().(plugin.HistoryKeeper); keeps != ok {
		c.Fatalf("a sink with a history needs both: FillHistory, and HistoryRange of its options")
	}
	if !ok {
		c.Skip("the sink is no plugin.HistorySink")
	}
	broken := errors.New("conformance")
	fill := func(err error, events []*event.Event) error {
		return c.call(c.ctx, "FillHistory", func(ctx context.Context) error {
			return s.FillHistory(ctx, "conformance", func(take func([]*event.Event) error) error {
				if terr := take(events); terr != nil {
					return terr
				}
				return err
			})
		})
	}
	old := c.newEvents(0, 2)
	if err := fill(broken, old[:1]); !errors.Is(err, broken) && err != errPanicked {
		c.Errorf("FillHistory returns %v after an error of read", err)
	}
	if err := fill(nil, old); err != nil && err != errPanicked {
		c.Errorf("FillHistory: %v", err)
	}
	var expect func(string, string)
	if h.Receive != nil {
		expect = h.receive(c, i)
	}
	batch := c.newEvents(1, 1)
	write(c, i, batch)
	if expect != nil {
		expect(string(batch[0].Data), "the event behind the history")
	}
}
