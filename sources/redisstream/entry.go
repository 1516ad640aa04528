package redisstream

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/rawjson"
)

// entry is one of a stream.
type entry struct {
	id     string
	fields []string // name, value, name, value ...
	gone   bool     // trimmed or deleted before it was acked
	place  place    // of those of a fan-out
	tried  *event.Attempts
}

var errAnswer = errors.New("the answer of the server is not what Redis would say")

// entries reads the answer of XRANGE and XCLAIM, in RESP2.
func entries(answer any) ([]entry, error) {
	list, ok := answer.([]any)
	if !ok && answer != nil {
		return nil, errAnswer
	}
	out := make([]entry, 0, len(list))
	for _, one := range list {
		if one == nil { // XCLAIM before Redis 7: deleted
			continue
		}
		pair, ok := one.([]any)
		if !ok || len(pair) != 2 {
			return nil, errAnswer
		}
		id, ok := pair[0].(string)
		fields, isList := pair[1].([]any)
		if !ok || !isList && pair[1] != nil {
			return nil, errAnswer
		}
		e := entry{id: id, gone: pair[1] == nil, fields: make([]string, len(fields))}
		for i, f := range fields {
			if e.fields[i], ok = f.(string); !ok {
				return nil, errAnswer
			}
		}
		out = append(out, e)
	}
	return out, nil
}

// polled reads the answer of a script that polls: entries, a number, and an ID.
func polled(answer []any) (found []entry, number int64, id string, err error) {
	if len(answer) != 3 {
		return nil, 0, "", errAnswer
	}
	number, isNumber := answer[1].(int64)
	id, isText := answer[2].(string)
	if found, err = entries(answer[0]); err == nil && (!isNumber || !isText) {
		err = errAnswer
	}
	return found, number, id, err
}

// event makes an event of an entry: one that the sink redis-stream has written is as it
// was there; of any other the payload is its fields.
func (e entry) event(source, stream string) *event.Event {
	ev := &event.Event{ID: stream + ":" + e.id, Source: source, Channel: stream, Time: time.Now()}
	own, ours := e.own()
	if !ours {
		b := []byte{'{'}
		for i := 0; i+1 < len(e.fields); i += 2 {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(rawjson.AppendText(b, e.fields[i]), ':')
			b = rawjson.AppendText(b, e.fields[i+1])
		}
		ev.Data = append(b, '}')
		return ev
	}
	for i := 0; i+1 < len(own); i += 2 {
		name, value := own[i], own[i+1]
		switch attr, isAttr := strings.CutPrefix(name, "attr."); {
		case name == "data":
			ev.Data = []byte(value)
		case name == "id":
			ev.ID = value
		case name == "key":
			ev.Key = value
		case isAttr:
			ev.Attrs = append(ev.Attrs, event.Attr{Name: attr, Value: value})
		}
	}
	return ev
}

// at is when the entry was appended, by the server's clock.
func (e entry) at() time.Time {
	ms, _ := split(e.id)
	return time.UnixMilli(int64(ms))
}

// split returns both numbers of an ID.
func split(id string) (ms, n uint64) {
	left, right, _ := strings.Cut(id, "-")
	ms, _ = strconv.ParseUint(left, 10, 64) // Redis has made it
	n, _ = strconv.ParseUint(right, 10, 64)
	return ms, n
}

// before says whether the entry a is older than b.
func before(a, b string) bool {
	ams, an := split(a)
	bms, bn := split(b)
	return ams < bms || ams == bms && an < bn
}

// adapt has the next read be as large as fits.
func (s *source) adapt(found []entry) {
	bytes := 0
	for _, e := range found {
		for _, f := range e.fields {
			bytes += len(f)
		}
	}
	switch {
	case bytes > muchAtOnce:
		s.count = max(s.count/2, 1)
	case bytes < muchAtOnce/4:
		s.count = min(2*s.count, maxEntries)
	}
}
