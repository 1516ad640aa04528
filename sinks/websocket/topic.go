package websocket

import (
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/rawjson"
)

// topic is the messages that clients with the same wishes and rights get, in a log of
// their own. The main topic has all messages.
type topic struct {
	subscription
	key     string
	hash    string // of key, in the epoch of its clients
	log     *log
	clients int

	// What follows is not for the main topic, in which message i has the number i.
	numbers   []message // of the log's history
	from      uint64    // messages of the log before numbers
	covered   uint64    // what has a number up to it is not in the log
	marked    uint64    // the number that the last mark has told
	published bool      // nothing was appended since
}

// message is one of a topic's log: the number of the message that it is, or with mark
// the number up to which clients have everything.
type message struct {
	number uint64
	mark   bool
}

// subscription is what a client may and wants to see.
type subscription struct {
	channels []string // sorted; empty: all
	filter   expr.Condition
	allowed  rights
	protocol bool // it is told its position
}

// id is the same for subscriptions that get the same.
func (s subscription) id() string {
	return fmt.Sprintf("%q %q %q %v", s.channels, s.filter.String(), s.allowed.id(), s.protocol)
}

func (s subscription) all() bool {
	return len(s.channels) == 0 && s.filter.IsZero() && s.allowed.all()
}

// asked says whether a client has asked for less than it may see.
func (s subscription) asked() bool { return len(s.channels) > 0 || !s.filter.IsZero() }

// What an event is to a topic.
const (
	absent  = iota
	present // it is a message
	left    // its row was in the topic, and is not any more
)

// judge says what an event is to a topic. One for which the filter cannot be evaluated is
// absent.
func (h *hub) judge(t *topic, e *event.Event) int {
	if len(t.channels) > 0 {
		if _, found := slices.BinarySearch(t.channels, e.Channel); !found {
			return absent
		}
	}
	if t.filter.IsZero() {
		return present
	}
	ok, err := h.eval.True(t.filter, e)
	if ok {
		return present
	}
	if !t.protocol { // it knows of no message that says so
		if err != nil {
			h.failed.Inc()
		}
		return absent
	}
	if before := beforeChange(e); before != nil {
		if was, err := h.eval.True(t.filter, before); was && err == nil {
			return left
		}
	}
	if err != nil {
		h.failed.Inc()
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

// add appends a message to the topic's log.
func (t *topic) add(number uint64, verdict int, payload []byte, now time.Time) {
	opcode := byte(opText)
	if verdict == left {
		opcode, payload = opBinary, leaveMessage(payload)
	} else if !utf8.Valid(payload) {
		opcode = opBinary
	}
	t.log.append(opcode, payload, now)
	t.numbers = append(t.numbers, message{number: number})
	t.published = false
}

// mark tells clients up to which number they have everything.
func (t *topic) mark(number uint64, now time.Time) {
	if !t.protocol {
		return
	}
	t.log.append(opBinary, positionMessage(number), now)
	t.numbers = append(t.numbers, message{number, true})
	t.marked = number
	t.published = false
}

// evict shortens the topic's history.
func (t *topic) evict(h History, now time.Time) {
	before := t.log.evict(h, now)
	for t.from < before {
		t.covered = max(t.covered, t.numbers[0].number)
		t.numbers = t.numbers[1:]
		t.from++
	}
}

// find returns the position behind the message with a number, and so many messages of the
// topic more, and the number that a client has there; false where the topic's history does
// not reach back, or there are not so many.
func (t *topic) find(number, seen uint64) (p position, has uint64, ok bool) {
	if number < t.covered {
		return p, 0, false
	}
	i, _ := slices.BinarySearchFunc(t.numbers, number, func(m message, n uint64) int {
		if m.number <= n {
			return -1
		}
		return 1
	})
	for ; seen > 0 && i < len(t.numbers); i++ {
		if !t.numbers[i].mark {
			seen--
		}
		number = t.numbers[i].number
	}
	if seen > 0 {
		return p, 0, false
	}
	return t.log.seek(t.from + uint64(i)), number, true
}
