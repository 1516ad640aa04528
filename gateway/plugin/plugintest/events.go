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

// newEvents returns n events; from is the number of the first one within the rule. Their payloads and
// attributes have spare capacity, to find a plugin that appends to them.
func (c *check) newEvents(from, n int) (batch []*event.Event) {
	from += c.firstNumber
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

// isStale reports whether a payload is one of another rule, or one of unusualEvents.
func (c *check) isStale(payload string) bool {
	if m := numberOf.FindStringSubmatch(payload); m != nil {
		n, _ := strconv.Atoi(m[1])
		return n < c.firstNumber || n >= c.firstNumber+eventsPerRule
	}
	for _, e := range unusualEvents() {
		if payload == string(e.Data) {
			return true
		}
	}
	return false
}

// withSpareCapacity gives the payload and the attributes of an event spare capacity. It returns the event.
func withSpareCapacity(e *event.Event) *event.Event {
	if e.Data != nil {
		e.Data = append(make([]byte, 0, len(e.Data)+16), e.Data...)
		copy(e.Data[len(e.Data):cap(e.Data)], "spare-spare-spar")
	}
	if e.Attrs != nil {
		e.Attrs = append(make([]event.Attr, 0, len(e.Attrs)+2), e.Attrs...)
	}
	return e
}

// snapshot is a copy of an event, to find changes later.
type snapshot struct {
	original *event.Event
	event    event.Event
	spare    string // the bytes after Data, up to its capacity
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

// diff describes a change of the event since the snapshot; "" for none.
func (c snapshot) diff() string {
	e, was := c.original, c.event
	switch {
	case !bytes.Equal(e.Data, was.Data):
		return fmt.Sprintf("the payload %.60q is now %.60q", was.Data, e.Data)
	case e.Key != was.Key:
		return fmt.Sprintf("the key %q is now %q", was.Key, e.Key)
	case e.ID != was.ID || e.Source != was.Source || e.Channel != was.Channel:
		return fmt.Sprintf("the ID, source and channel %q are now %q", []string{was.ID, was.Source, was.Channel}, []string{e.ID, e.Source, e.Channel})
	case !e.Time.Equal(was.Time):
		return fmt.Sprintf("the time %v is now %v", was.Time, e.Time)
	case !e.Origin.Equal(was.Origin):
		return fmt.Sprintf("the origin time %v is now %v", was.Origin, e.Origin)
	case len(e.Attrs) != len(was.Attrs):
		return fmt.Sprintf("%d attributes are now %d", len(was.Attrs), len(e.Attrs))
	case cap(e.Attrs) == len(c.attrs) && !slices.Equal(e.Attrs[:cap(e.Attrs)], c.attrs):
		return fmt.Sprintf("the attributes %v, or their spare capacity, are now %v", was.Attrs, e.Attrs[:cap(e.Attrs)])
	case e.Attempts != was.Attempts || e.Attempts != nil && *e.Attempts != c.attempts, e.Fence != was.Fence || e.Fence != nil && *e.Fence != c.fence:
		return "the fence or the attempts have changed"
	case string(e.Data[len(e.Data):cap(e.Data)]) != c.spare:
		return "the spare capacity of the payload has changed"
	}
	return ""
}

// unusualEvents returns events that are unusual in one property each, by a description of it.
func unusualEvents() map[string]*event.Event {
	odd := func(change func(*event.Event)) *event.Event {
		e := &event.Event{ID: "odd", Source: "test", Channel: "test", Key: "key-0", Time: time.Now(), Data: []byte(`{"number":-1}`), Attrs: []event.Attr{{Name: "table", Value: "orders"}}}
		change(e)
		return withSpareCapacity(e)
	}
	return map[string]*event.Event{
		"no payload":                    odd(func(e *event.Event) { e.Data = nil }),
		"an empty payload":              odd(func(e *event.Event) { e.Data = []byte{} }),
		"text that is not JSON":         odd(func(e *event.Event) { e.Data = []byte("text") }),
		"a number":                      odd(func(e *event.Event) { e.Data = []byte("7") }),
		"null":                          odd(func(e *event.Event) { e.Data = []byte("null") }),
		"a list":                        odd(func(e *event.Event) { e.Data = []byte(`[{"a":1},null]`) }),
		"an object of unknown keys":     odd(func(e *event.Event) { e.Data = []byte(`{"unknown":{"a":[null,1e400,"x"]}}`) }),
		"a payload that is not UTF-8":   odd(func(e *event.Event) { e.Data = []byte("\xff\xfe\x00\n{\r") }),
		"truncated JSON":                odd(func(e *event.Event) { e.Data = []byte(`{"number":1,"text":"`) }),
		"deep nesting":                  odd(func(e *event.Event) { e.Data = []byte(strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)) }),
		"a large payload":               odd(func(e *event.Event) { e.Data = []byte(`{"text":"` + strings.Repeat("x", 1<<20) + `"}`) }),
		"only a payload":                {Data: []byte(`{"number":-1}`)},
		"no field at all":               {},
		"unusual characters in its key": odd(func(e *event.Event) { e.Key = "\x00\r\n {}*\xff" }),
		"unusual attributes": odd(func(e *event.Event) {
			e.Attrs = []event.Attr{{}, {Name: "\r\nx: y", Value: "\x00\xff"}, {Name: "a"}, {Name: "a"}}
		}),
		"an unusual ID and channel": odd(func(e *event.Event) { e.ID, e.Channel = "\r\n\x00 ", `"'; --`+"\n" }),
	}
}
