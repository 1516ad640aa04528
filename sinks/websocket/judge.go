package websocket

import (
	"slices"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/rawjson"
)

// What an event is to a topic.
const (
	absent  = iota
	present // it is a message
	left    // its row was in the topic, and is not any more
)

// judge says what an event is to a topic, whose clients may see it. One for which the filter
// cannot be evaluated is absent.
func (h *hub) judge(x *expr.Evaluator, t *topic, e *event.Event) int {
	if len(t.channels) > 0 {
		if _, found := slices.BinarySearch(t.channels, e.Channel); !found {
			return absent
		}
	}
	if t.filter.IsZero() {
		return present
	}
	ok, err := x.True(t.filter, e)
	if ok {
		return present
	}
	if !t.protocol { // it knows of no message that says so
		if err != nil {
			h.metrics.filterErrors.Inc()
		}
		return absent
	}
	if before := beforeChange(e); before != nil {
		if was, err := x.True(t.filter, before); was && err == nil {
			return left
		}
	}
	if err != nil {
		h.metrics.filterErrors.Inc()
	}
	return absent
}

var rowTree, oldRow, newRow = func() (t rawjson.Tree, before, after int) {
	before = t.Member(0, "old")
	after = t.Member(0, "new")
	return t, before, after
}()

// beforeChange returns the event as it would be, had its row stayed as it was: with the old
// row in the place of the new one; nil where the old one is not known.
func beforeChange(e *event.Event) *event.Event {
	var spans [3]rawjson.Span
	if rowTree.Find(e.Data, spans[:rowTree.Len()]) != nil {
		return nil
	}
	before, after := spans[oldRow], spans[newRow]
	if !before.Found() || !after.Found() {
		return nil
	}
	row := before.Of(e.Data)
	if len(row) == 0 || row[0] != '{' {
		return nil
	}
	data := make([]byte, 0, len(e.Data)+len(row))
	data = append(append(append(data, e.Data[:after.From]...), row...), e.Data[after.To:]...)
	return e.With(data)
}
