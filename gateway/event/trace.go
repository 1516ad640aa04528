package event

import "encoding/hex"

// Names of attributes that say which trace an event belongs to (W3C Trace Context).
const (
	// AttrTraceParent has the value of the header traceparent: the trace, and the span in it that has made the event.
	AttrTraceParent = "traceparent"
	// AttrTraceState has the value of the header tracestate, which belongs to traceparent.
	AttrTraceState = "tracestate"
)

// TraceParent is a place in a trace: the value of [AttrTraceParent].
type TraceParent struct {
	TraceID [16]byte
	SpanID  [8]byte
	Flags   byte
}

// Sampled reports whether the spans of the trace are recorded.
func (p TraceParent) Sampled() bool { return p.Flags&1 != 0 }

// String returns the value of the header, in version 00.
func (p TraceParent) String() string {
	b := make([]byte, 0, traceParentLen)
	b = hex.AppendEncode(append(b, "00-"...), p.TraceID[:])
	b = hex.AppendEncode(append(b, '-'), p.SpanID[:])
	return string(hex.AppendEncode(append(b, '-'), []byte{p.Flags}))
}

// traceParentLen is the length of the header in version 00, in bytes.
const traceParentLen = 55

// ParseTraceParent parses the value of a header traceparent. It reports false where the value is invalid. Of a version
// after 00 it reads the fields of version 00, as the standard says.
func ParseTraceParent(text string) (p TraceParent, ok bool) {
	if len(text) < traceParentLen || text[2] != '-' || text[35] != '-' || text[52] != '-' {
		return TraceParent{}, false
	}
	var version, flags [1]byte
	if !decodeHex(version[:], text[:2]) || !decodeHex(p.TraceID[:], text[3:35]) || !decodeHex(p.SpanID[:], text[36:52]) || !decodeHex(flags[:], text[53:55]) {
		return TraceParent{}, false
	}
	p.Flags = flags[0]
	switch rest := text[traceParentLen:]; {
	case version[0] == 0xff, version[0] == 0 && rest != "", rest != "" && rest[0] != '-', p.TraceID == [16]byte{}, p.SpanID == [8]byte{}:
		return TraceParent{}, false
	}
	return p, true
}

// decodeHex sets dst from text, which has two lower-case digits for each byte.
func decodeHex(dst []byte, text string) bool {
	for i := range dst {
		high, low := hexDigit(text[2*i]), hexDigit(text[2*i+1])
		if high > 15 || low > 15 {
			return false
		}
		dst[i] = high<<4 | low
	}
	return true
}

// hexDigit returns the value of a lower-case digit, or a value over 15.
func hexDigit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}

// TraceParent returns the place in a trace at which the event was made. It reports false if the event has no attribute
// [AttrTraceParent], or an invalid one.
func (e *Event) TraceParent() (TraceParent, bool) {
	text, ok := e.Attr(AttrTraceParent)
	if !ok {
		return TraceParent{}, false
	}
	return ParseTraceParent(text)
}
