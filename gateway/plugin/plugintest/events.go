package plugintest

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"eventgateway/gateway/event"
)

// numbered makes n events, the first with number from of this rule. Their bytes and their attributes
// have room behind them, in which a change shows.
func (c *check) numbered(from, n int) (batch []*event.Event) {
	from += c.base
	for i := range n {
		batch = append(batch, withSpareCapacity(&event.Event{
			ID: fmt.Sprint("id-", from+i), Source: "test", Channel: "test", Key: fmt.Sprint("key-", (from+i)%3), Time: time.Now(),
			Data:  []byte(fmt.Sprintf(`{"number":%d,"text":"é"}`, from+i)),
			Attrs: []event.Attr{{Name: "table", Value: "orders"}},
		}))
	}
	return batch
}

var numberOf = regexp.MustCompile(`^\{"number":(-?\d+),?`)

// stale reports whether a payload is one that another rule has written, or an odd one.
func (c *check) stale(payload string) bool {
	if m := numberOf.FindStringSubmatch(payload); m != nil {
		n, _ := strconv.Atoi(m[1])
		return n < c.base || n >= c.base+eventsPerRule
	}
	for _, e := range unusualEvents() {
		if payload == string(e.Data) {
			return true
		}
	}
	return false
}

// withSpareCapacity gives bytes and attributes of an event more room than they take.
func withSpareCapacity(e *event.Event) *event.Event {
	if e.Data != nil {
		e.Data = append(make([]byte, 0, len(e.Data)+16), e.Data...)
		copy(e.Data[len(e.Data):cap(e.Data)], "room-room-room-r")
	}
	if e.Attrs != nil {
		e.Attrs = append(make([]event.Attr, 0, len(e.Attrs)+2), e.Attrs...)
	}
	return e
}

// snapshot is an event as it was.
type snapshot struct {
	original *event.Event
	event    event.Event
	spare    string // the bytes behind Data
	attrs    []event.Attr
	attempts event.Attempts
	fence    event.Fence
}

func snapshotOf(e *event.Event) snapshot {
	c := snapshot{original: e, event: *e, spare: string(e.Data[len(e.Data):cap(e.Data)]), attrs: slices.Clone(e.Attrs[:cap(e.Attrs)])}
	c.event.Data = bytes.Clone(e.Data)
	if e.Attempts != nil {
		c.attempts = *e.Attempts
	}
	if e.Fence != nil {
		c.fence = *e.Fence
	}
	return c
}

func snapshotsOf(batch []*event.Event) (out []snapshot) {
	for _, e := range batch {
		out = append(out, snapshotOf(e))
	}
	return out
}

// diff says what of the event has changed; "" where nothing has.
func (c snapshot) diff() string {
	e, was := c.original, c.event
	switch {
	case !bytes.Equal(e.Data, was.Data):
		return fmt.Sprintf("the bytes %.60q are now %.60q", was.Data, e.Data)
	case e.Key != was.Key:
		return fmt.Sprintf("the key %q is now %q", was.Key, e.Key)
	case e.ID != was.ID || e.Source != was.Source || e.Channel != was.Channel:
		return fmt.Sprintf("id, source, channel %q are now %q", []string{was.ID, was.Source, was.Channel}, []string{e.ID, e.Source, e.Channel})
	case !e.Time.Equal(was.Time):
		return fmt.Sprintf("the time %v is now %v", was.Time, e.Time)
	case len(e.Attrs) != len(was.Attrs):
		return fmt.Sprintf("%d attributes are now %d", len(was.Attrs), len(e.Attrs))
	case cap(e.Attrs) == len(c.attrs) && !slices.Equal(e.Attrs[:cap(e.Attrs)], c.attrs):
		return fmt.Sprintf("the attributes %v, or the room behind them, are now %v", was.Attrs, e.Attrs[:cap(e.Attrs)])
	case e.Attempts != was.Attempts || e.Attempts != nil && *e.Attempts != c.attempts, e.Fence != was.Fence || e.Fence != nil && *e.Fence != c.fence:
		return "the fence, or what is known of attempts, has changed"
	case string(e.Data[len(e.Data):cap(e.Data)]) != c.spare:
		return "bytes were written behind the payload's"
	}
	return ""
}

// unusualEvents are events that are odd in one thing each, by that.
func unusualEvents() map[string]*event.Event {
	odd := func(change func(*event.Event)) *event.Event {
		e := &event.Event{ID: "odd", Source: "test", Channel: "test", Key: "key-0", Time: time.Now(), Data: []byte(`{"number":-1}`), Attrs: []event.Attr{{Name: "table", Value: "orders"}}}
		change(e)
		return withSpareCapacity(e)
	}
	return map[string]*event.Event{
		"no bytes":                 odd(func(e *event.Event) { e.Data = nil }),
		"an empty payload":         odd(func(e *event.Event) { e.Data = []byte{} }),
		"text that is no JSON":     odd(func(e *event.Event) { e.Data = []byte("text") }),
		"a number":                 odd(func(e *event.Event) { e.Data = []byte("7") }),
		"null":                     odd(func(e *event.Event) { e.Data = []byte("null") }),
		"a list":                   odd(func(e *event.Event) { e.Data = []byte(`[{"a":1},null]`) }),
		"an object of other keys":  odd(func(e *event.Event) { e.Data = []byte(`{"unknown":{"a":[null,1e400,"x"]}}`) }),
		"bytes that are no UTF-8":  odd(func(e *event.Event) { e.Data = []byte("\xff\xfe\x00\n{\r") }),
		"JSON that is cut":         odd(func(e *event.Event) { e.Data = []byte(`{"number":1,"text":"`) }),
		"many levels":              odd(func(e *event.Event) { e.Data = []byte(strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)) }),
		"a large payload":          odd(func(e *event.Event) { e.Data = []byte(`{"text":"` + strings.Repeat("x", 1<<20) + `"}`) }),
		"nothing beside its bytes": {Data: []byte(`{"number":-1}`)},
		"nothing at all":           {},
		"a key with odd letters":   odd(func(e *event.Event) { e.Key = "\x00\r\n {}*\xff" }),
		"odd attributes": odd(func(e *event.Event) {
			e.Attrs = []event.Attr{{}, {Name: "\r\nx: y", Value: "\x00\xff"}, {Name: "a"}, {Name: "a"}}
		}),
		"an odd id and channel": odd(func(e *event.Event) { e.ID, e.Channel = "\r\n\x00 ", `"'; --`+"\n" }),
	}
}
