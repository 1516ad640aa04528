package redisconn

import (
	"encoding/json"
	"strings"
	"time"
	"unicode"

	"eventgateway/gateway/plugin"
)

// The gaps of a channel are published to its gap channel, which is reserved: events cannot be
// published there. A subscriber of the channel alone gets events only.
const (
	// SharedGapChannel has the gaps of channels whose names depend on the event.
	SharedGapChannel = "eventgateway:gaps"
	gapPrefix        = SharedGapChannel + ":"
)

// Bounds of a received gap, for any program can publish one.
const (
	maxGapBytes  = 4096
	maxGapReason = 500 // bytes
	maxGapName   = 63
)

// GapChannel returns the gap channel of a channel. For a pattern it returns the pattern of the gap
// channels of all channels that it matches.
func GapChannel(channel string) string { return gapPrefix + channel }

// IsGapChannel reports whether a channel or pattern is reserved for gaps. Events must not be
// published to it.
func IsGapChannel(channel string) bool {
	return channel == SharedGapChannel || strings.HasPrefix(channel, gapPrefix)
}

// gapMessage is a gap as it is published.
type gapMessage struct {
	Source  string    `json:"source,omitempty"`
	Reason  string    `json:"reason"`
	Time    time.Time `json:"time"`
	ID      string    `json:"id"`
	Dropped uint64    `json:"dropped,omitempty"`
	Prefix  string    `json:"prefix,omitempty"` // with SharedGapChannel: how the names of the channels begin
}

// EncodeGap returns the message that describes a gap. prefix is for [SharedGapChannel]: the names
// of all channels begin with it in which events may be missing.
func EncodeGap(g plugin.Gap, prefix string) []byte {
	m := gapMessage{g.Source, shorten(g.Reason, maxGapReason), g.Time.UTC(), g.ID, g.Dropped, prefix}
	text, _ := json.Marshal(m) // strings and a time always encode
	return text
}

// DecodeGap returns the gap that a message describes, and its prefix. It returns false for any
// other message, and for one of more than 4096 bytes. Texts are shortened, and control characters
// replaced.
func DecodeGap(text string) (g plugin.Gap, prefix string, ok bool) {
	var m gapMessage
	if len(text) > maxGapBytes || json.Unmarshal([]byte(text), &m) != nil || m.ID == "" || len(m.ID) > maxGapName {
		return g, "", false
	}
	return plugin.Gap{
		Source: shorten(m.Source, maxGapName), Reason: shorten(m.Reason, maxGapReason), ID: shorten(m.ID, maxGapName),
		Time: m.Time, Dropped: m.Dropped,
	}, m.Prefix, true
}

// shorten cuts a text at limit bytes, and replaces what is not printable.
func shorten(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	if len(text) > limit { // never in the middle of a character
		text = strings.ToValidUTF8(text[:limit], "")
	}
	return text
}
