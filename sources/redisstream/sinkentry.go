package redisstream

import (
	"regexp"
	"strings"

	"eventgateway/gateway/redisconn"
)

// sinkFields returns the fields of an entry without the mark ([redisconn.EntryMark]). The fields data, id and key are no
// mark: other programs have them, too, and an order's id is the same in each change of the order. fromSink reports whether the sink
// redis-stream has written it.
func (e entry) sinkFields() (fields []string, fromSink bool) {
	if len(e.fields) >= 2 && e.fields[0] == redisconn.EntryMark && e.fields[1] == redisconn.EntryMarkVersion {
		return e.fields[2:], true
	}
	return e.fields, e.isUnmarked()
}

// sourceID matches the IDs of our sources: of an outbox and its snapshots, and of a stream. The
// transform split appends numbers to them.
var sourceID = regexp.MustCompile(`^(\d{1,19}-[0-9a-z]{10,12}|snapshot-.+-[0-9a-f]{32}|.+:\d{13}-\d+)(/\d+)*$`)

// isUnmarked reports whether the sink has written an entry in a version without the mark. Such an
// entry has exactly these fields, in this order: data; id and key, if the event had them; and
// attr.NAME for each attribute. Without an attribute, its id must be one of our sources.
func (e entry) isUnmarked() bool {
	rest := e.fields
	next := func(name string) (value string, ok bool) {
		if len(rest) < 2 || rest[0] != name {
			return "", false
		}
		value, rest = rest[1], rest[2:]
		return value, true
	}
	if _, ok := next("data"); !ok {
		return false
	}
	id, hasID := next("id")
	next("key")
	attributes := len(rest) > 0
	for ; len(rest) >= 2; rest = rest[2:] {
		if !strings.HasPrefix(rest[0], "attr.") {
			return false
		}
	}
	return attributes || !hasID || sourceID.MatchString(id)
}
