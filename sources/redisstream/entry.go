package redisstream

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/rawjson"
	"eventgateway/gateway/redisconn"
)

// entry is an entry of a stream.
type entry struct {
	id       string
	fields   []string // name, value, name, value ...
	deleted  bool     // trimmed or deleted before it was acked
	position position // in a fan-out
	attempts *event.Attempts
}

var errReply = errors.New("the server's reply has not the form of Redis")

// entries reads the reply to XRANGE or XCLAIM, in RESP2.
func entries(reply any) ([]entry, error) {
	list, ok := reply.([]any)
	if !ok && reply != nil {
		return nil, errReply
	}
	out := make([]entry, 0, len(list))
	for _, item := range list {
		if item == nil { // XCLAIM before Redis 7: deleted
			continue
		}
		pair, ok := item.([]any)
		if !ok || len(pair) != 2 {
			return nil, errReply
		}
		id, ok := pair[0].(string)
		fields, isList := pair[1].([]any)
		if !ok || !isList && pair[1] != nil {
			return nil, errReply
		}
		e := entry{id: id, deleted: pair[1] == nil, fields: make([]string, len(fields))}
		for i, f := range fields {
			if e.fields[i], ok = f.(string); !ok {
				return nil, errReply
			}
		}
		out = append(out, e)
	}
	return out, nil
}

// parsePoll reads the reply of a poll script: entries, a number, and an ID.
func parsePoll(reply []any) (found []entry, number int64, id string, err error) {
	if len(reply) != 3 {
		return nil, 0, "", errReply
	}
	number, isNumber := reply[1].(int64)
	id, isText := reply[2].(string)
	if found, err = entries(reply[0]); err == nil && (!isNumber || !isText) {
		err = errReply
	}
	return found, number, id, err
}

// event makes an event of an entry. An entry of the sink redis-stream becomes the event that was
// written. The payload of any other entry is a JSON object of its fields.
func (e entry) event(source, stream string) *event.Event {
	ev := &event.Event{ID: stream + ":" + e.id, Source: source, Channel: stream, Time: time.Now()}
	ev.Position.Major, ev.Position.Minor = parseID(e.id)
	sinkFields, fromSink := e.sinkFields()
	if !fromSink {
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
	for i := 0; i+1 < len(sinkFields); i += 2 {
		name, value := sinkFields[i], sinkFields[i+1]
		switch attr, isAttr := strings.CutPrefix(name, "attr."); {
		case name == "data":
			ev.Data = event.StringData(value)
		case name == "id":
			ev.ID = value
		case name == "key":
			ev.Key = value
		case name == redisconn.EntryOrigin:
			if us, err := strconv.ParseInt(value, 10, 64); err == nil {
				ev.Origin = time.UnixMicro(us)
			}
		case isAttr:
			ev.Attrs = append(ev.Attrs, event.Attr{Name: attr, Value: value})
		}
	}
	return ev
}

// appendedAt returns when the entry was appended, by the server's clock.
func (e entry) appendedAt() time.Time {
	ms, _ := parseID(e.id)
	return time.UnixMilli(int64(ms))
}

// parseID returns both numbers of an ID.
func parseID(id string) (ms, n uint64) {
	left, right, _ := strings.Cut(id, "-")
	ms, _ = strconv.ParseUint(left, 10, 64) // Redis has made it
	n, _ = strconv.ParseUint(right, 10, 64)
	return ms, n
}

// idBefore reports whether the entry a is older than b.
func idBefore(a, b string) bool {
	ams, an := parseID(a)
	bms, bn := parseID(b)
	return ams < bms || ams == bms && an < bn
}

// adaptCount sets how many entries the next read gets, by the size of those found.
func (s *source) adaptCount(found []entry) { s.count = nextCount(s.count, found) }

// nextCount returns how many entries to read after a read of count entries, by the size of those found.
func nextCount(count int, found []entry) int {
	bytes := 0
	for _, e := range found {
		for _, f := range e.fields {
			bytes += len(f)
		}
	}
	switch {
	case bytes > targetBytes:
		return max(count/2, 1)
	case bytes < targetBytes/4:
		return min(2*count, maxEntries)
	}
	return count
}
