package redisstream

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"eventgateway/gateway/inflight"
)

// ahead is what a fan-out has settled above its position before this Run: it is not read again.
type ahead struct {
	mu    sync.Mutex
	spans []inflight.Span[place] // in order
	skip  bool                   // the first was reached, and is passed with the next read
}

// reached returns the span that the next entries lead to, and how many of these are before it;
// more says that there are further ones.
func (a *ahead) reached(entries []entry, more bool) (span inflight.Span[place], n int, found bool) {
	if len(a.spans) == 0 {
		return span, 0, false
	}
	span = a.spans[0]
	n = slices.IndexFunc(entries, func(e entry) bool { return !before(e.id, span.First.id) })
	if n < 0 {
		if more {
			return span, 0, false
		}
		n = len(entries)
	}
	a.skip = true
	return span, n, true
}

// pass notes that the span which was reached lies behind: the entries before it were added to the
// tracker.
func (a *ahead) pass(flight *inflight.PositionTracker[place]) {
	if !a.skip {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	flight.AddAcked(a.spans[0])
	a.spans, a.skip = a.spans[1:], false
}

// forget drops what belongs to another stream.
func (a *ahead) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.spans, a.skip = nil, false
}

// lostBefore returns why entries before those that were settled before this Run are missing, or "".
func (f *fanout) lostBefore(span inflight.Span[place]) string {
	lost := span.First.number - 1 - f.at.number
	if f.at.number < 0 || span.First.number < 0 || lost <= 0 {
		return ""
	}
	return fmt.Sprintf("%d entries were trimmed or deleted before they were delivered", lost)
}

// settledSoFar returns the position before which everything is settled, and what is above it.
func (f *fanout) settledSoFar() (acked place, above []inflight.Span[place]) {
	f.ahead.mu.Lock()
	defer f.ahead.mu.Unlock()
	acked, above = f.flight.AckedSpans()
	return acked, append(above, f.ahead.spans...)
}

// formatSpans is how Redis keeps them: of each the IDs of the first entry and of the last, and
// their numbers.
func formatSpans(spans []inflight.Span[place]) string {
	var b []byte
	for _, s := range spans {
		b = fmt.Appendf(b, "%s %s %d %d,", s.First.id, s.Last.id, s.First.number, s.Last.number)
	}
	return string(b)
}

// parseSpans reads what formatSpans has written.
func parseSpans(text string) (spans []inflight.Span[place], err error) {
	for one := range strings.SplitSeq(strings.TrimSuffix(text, ","), ",") {
		parts := strings.Fields(one)
		if len(parts) == 0 {
			continue
		}
		if len(parts) != 4 || !entryID.MatchString(parts[0]) || !entryID.MatchString(parts[1]) {
			return nil, fmt.Errorf("the spans %.100q are not as the gateway writes them", text)
		}
		first, err := strconv.ParseInt(parts[2], 10, 64)
		last, err2 := strconv.ParseInt(parts[3], 10, 64)
		if err != nil || err2 != nil {
			return nil, fmt.Errorf("the spans %.100q are not as the gateway writes them", text)
		}
		spans = append(spans, inflight.Span[place]{First: place{id: parts[0], number: first}, Last: place{id: parts[1], number: last}})
	}
	return spans, nil
}
