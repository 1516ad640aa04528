package redisstream

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"eventgateway/gateway/inflight"
)

// ackedAhead holds the spans above the position of a fan-out that were acked before this Run. They
// are not emitted again.
type ackedAhead struct {
	mu     sync.Mutex
	spans  []inflight.Span[position] // in order
	atSpan bool                      // the first is reached, and is skipped with the next read
}

// reached returns the first span, if the entries that were read reach it, and how many of these
// are before it. more reports whether the stream has further entries.
func (a *ackedAhead) reached(entries []entry, more bool) (span inflight.Span[position], n int, found bool) {
	if len(a.spans) == 0 {
		return span, 0, false
	}
	span = a.spans[0]
	n = slices.IndexFunc(entries, func(e entry) bool { return !idBefore(e.id, span.First.id) })
	if n < 0 {
		if more {
			return span, 0, false
		}
		n = len(entries)
	}
	a.atSpan = true
	return span, n, true
}

// skipSpan adds the span that was reached to the tracker, which has the entries before it.
func (a *ackedAhead) skipSpan(tracker *inflight.PositionTracker[position]) {
	if !a.atSpan {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	tracker.AddAcked(a.spans[0])
	a.spans, a.atSpan = a.spans[1:], false
}

// reset removes all spans: they belong to another stream.
func (a *ackedAhead) reset() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.spans, a.atSpan = nil, false
}

// gapBefore returns the reason of the gap before a span of entries that were acked before this Run,
// or "".
func (f *fanout) gapBefore(span inflight.Span[position]) string {
	lost := span.First.number - 1 - f.at.number
	if f.at.number < 0 || span.First.number < 0 || lost <= 0 {
		return ""
	}
	return fmt.Sprintf("%d entries were trimmed or deleted before they were delivered", lost)
}

// ackedPositions returns the position before which everything is acked, and the acked spans above it.
func (f *fanout) ackedPositions() (acked position, above []inflight.Span[position]) {
	f.ahead.mu.Lock()
	defer f.ahead.mu.Unlock()
	acked, above = f.tracker.AckedSpans()
	return acked, append(above, f.ahead.spans...)
}

// formatSpans returns the form that is stored: for each span the IDs of the first and the last entry,
// and their numbers.
func formatSpans(spans []inflight.Span[position]) string {
	var b []byte
	for _, s := range spans {
		b = fmt.Appendf(b, "%s %s %d %d,", s.First.id, s.Last.id, s.First.number, s.Last.number)
	}
	return string(b)
}

// parseSpans reads what formatSpans has written.
func parseSpans(text string) (spans []inflight.Span[position], err error) {
	for text := range strings.SplitSeq(strings.TrimSuffix(text, ","), ",") {
		parts := strings.Fields(text)
		if len(parts) == 0 {
			continue
		}
		if len(parts) != 4 || !entryID.MatchString(parts[0]) || !entryID.MatchString(parts[1]) {
			return nil, fmt.Errorf("the acked spans %.100q cannot be parsed; delete the field settled of the position to read these entries again", text)
		}
		first, err := strconv.ParseInt(parts[2], 10, 64)
		last, err2 := strconv.ParseInt(parts[3], 10, 64)
		if err != nil || err2 != nil {
			return nil, fmt.Errorf("the acked spans %.100q cannot be parsed; delete the field settled of the position to read these entries again", text)
		}
		spans = append(spans, inflight.Span[position]{First: position{id: parts[0], number: first}, Last: position{id: parts[1], number: last}})
	}
	return spans, nil
}
