package router

import (
	"slices"
	"strconv"
	"time"

	"eventgateway/gateway/event"
)

// setOrigin sets the origin time of events, where the configuration has an expression for it.
func (s *source) setOrigin(events []*event.Event) {
	if s.spec.Capture.Origin.IsZero() {
		return
	}
	for _, e := range events {
		var err error
		s.text, _, err = s.eval.Text(s.text[:0], s.spec.Capture.Origin, e)
		origin, ok := parseTime(s.text)
		if err != nil || !ok {
			origin = time.Time{}
			s.record.OriginUnknown()
		}
		e.Origin = origin
	}
}

func isSign(c byte) bool { return c == '+' || c == '-' }

// milliseconds is the number from which on a Unix time counts milliseconds: as seconds it would be in the year 5138.
const milliseconds = 1e11

// parseTime parses a time with a zone, as RFC 3339 or PostgreSQL has it, or a Unix time. It may change text.
func parseTime(text []byte) (t time.Time, ok bool) {
	if n := len(text); n > 10 && (text[10] == ' ' || text[10] == 'T') { // 2026-11-26 20:21:27.123456+00
		text[10] = 'T'
		switch {
		case isSign(text[n-3]): // +00
			text = append(text, ":00"...)
		case isSign(text[n-5]): // +0000
			text = slices.Insert(text, n-2, ':')
		}
		err := t.UnmarshalText(text)
		return t, err == nil
	}
	n, err := strconv.ParseFloat(string(text), 64)
	switch {
	case err != nil || !(n > 0 && n < milliseconds*1000): // also NaN
		return time.Time{}, false
	case n < milliseconds:
		n *= 1000
	}
	return time.UnixMicro(int64(n * 1000)), true
}
