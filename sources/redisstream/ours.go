package redisstream

import (
	"regexp"
	"strings"
)

// The sink redis-stream marks its entries by their first field. Fields called data, id and key
// say nothing: other programs have them, too, and an order's id comes again with each change of
// the order.
const (
	mark        = "eventgateway"
	markVersion = "1"
)

// own returns the fields of an entry that the sink redis-stream has written, without the mark.
func (e entry) own() (fields []string, ours bool) {
	if len(e.fields) >= 2 && e.fields[0] == mark && e.fields[1] == markVersion {
		return e.fields[2:], true
	}
	return e.fields, e.unmarked()
}

// madeID matches the IDs that our sources make: of an outbox and its snapshots, and of a stream;
// behind them stand the numbers that the transform split appends.
var madeID = regexp.MustCompile(`^(\d{1,19}-[0-9a-z]{10,12}|snapshot-.+-[0-9a-f]{32}|.+:\d{13}-\d+)(/\d+)*$`)

// unmarked reports whether an entry is one that the sink has written before there was the mark.
// Such an entry has exactly these fields, in this order: data; id and key, where the event had
// them; and attr.NAME for each attribute. Where it has no attribute, which no other program
// writes, its id must be one that our sources make.
func (e entry) unmarked() bool {
	rest := e.fields
	take := func(name string) (value string, ok bool) {
		if len(rest) < 2 || rest[0] != name {
			return "", false
		}
		value, rest = rest[1], rest[2:]
		return value, true
	}
	if _, ok := take("data"); !ok {
		return false
	}
	id, hasID := take("id")
	take("key")
	attributes := len(rest) > 0
	for ; len(rest) >= 2; rest = rest[2:] {
		if !strings.HasPrefix(rest[0], "attr.") {
			return false
		}
	}
	return attributes || !hasID || madeID.MatchString(id)
}
