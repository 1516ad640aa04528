package letters

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"eventgateway/gateway/plugin"
	"eventgateway/gateway/rawjson"
)

// head has the fields of a line that a search and the index need. A search parses the whole line only where the head matches, because that takes
// many times as long.
type head struct {
	number                     uint64
	component, reason, id, key string
	at                         time.Time
}

// headTree finds the values of a head in one pass.
var headTree, headAt = func() (t rawjson.Tree, at struct{ id, key, number, component, reason, time int }) {
	attrs := t.Member(0, "attrs")
	at.id, at.key = t.Member(0, "id"), t.Member(0, "key")
	at.number, at.component, at.reason = t.Member(attrs, attrNumber), t.Member(attrs, plugin.DeadLetterComponent), t.Member(attrs, plugin.DeadLetterReason)
	at.time = t.Member(attrs, plugin.DeadLetterTime)
	return t, at
}()

// headParser parses heads. One goroutine uses it.
type headParser struct{ spans []rawjson.Span }

// parse returns the head of a line.
func (p *headParser) parse(line []byte) (h head, err error) {
	if p.spans == nil {
		p.spans = make([]rawjson.Span, headTree.Len())
	}
	if err := headTree.Find(line, p.spans); err != nil {
		return h, fmt.Errorf("is not JSON: %w", err)
	}
	text := func(at int) string {
		if value := p.spans[at].Of(line); len(value) > 1 && value[0] == '"' {
			return rawjson.Text(value)
		}
		return ""
	}
	h = head{component: text(headAt.component), reason: text(headAt.reason), id: text(headAt.id), key: text(headAt.key)}
	if h.number, err = strconv.ParseUint(text(headAt.number), 10, 64); err != nil {
		return h, errors.New("has no number of a dead letter")
	}
	h.at, err = time.Parse(time.RFC3339Nano, text(headAt.time))
	return h, err
}

// mayMatch reports whether the letter of a line may match. It does not compare the payload, nor a reason that may be hidden.
func (q *Query) mayMatch(h *head) bool {
	return (q.Component == "" || strings.Contains(h.component, q.Component)) &&
		(q.Reason == "" || q.Hide != nil || strings.Contains(h.reason, q.Reason)) &&
		(q.Key == "" || h.key == q.Key) && (q.ID == "" || h.id == q.ID) &&
		(q.Since.IsZero() || !h.at.Before(q.Since)) && (q.Until.IsZero() || h.at.Before(q.Until))
}
