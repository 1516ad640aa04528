package redisconn

import (
	"encoding/json"
	"strings"
	"time"
	"unicode"

	"eventgateway/gateway/plugin"
)

// Gaps of what is published to a channel are published to a sibling of it, whose name no
// channel of events can have. Who subscribes to the channel only gets the events, as ever.
const (
	// SharedGapChannel is where gaps are published of channels whose names depend on the event.
	SharedGapChannel = "eventgateway:gaps"
	gapPrefix        = SharedGapChannel + ":"
)

// Bounds of a gap that is received: what publishes it may be anything.
const (
	maxGapBytes  = 4096
	maxGapReason = 500 // bytes
	maxGapName   = 63
)

// GapChannel returns the channel on which gaps of a channel are published, and of a
// pattern the pattern that matches those of the channels that it matches.
func GapChannel(channel string) string { return gapPrefix + channel }

// IsGapChannel reports whether a channel is one on which gaps are published. Events must not
// be published to it.
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

// EncodeGap returns the message that tells of a gap. prefix is for [SharedGapChannel]: how the names
// of the channels begin in which events may be missing.
func EncodeGap(g plugin.Gap, prefix string) []byte {
	m := gapMessage{g.Source, shorten(g.Reason, maxGapReason), g.Time.UTC(), g.ID, g.Dropped, prefix}
	text, _ := json.Marshal(m) // strings and a time always encode
	return text
}

// DecodeGap returns the gap that a message tells of, and the prefix that it was given. It
// returns false for what is no such message, or larger than one is. Texts are shortened, and
// have no control characters.
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

// shorten bounds a text in bytes, and replaces what does not belong into a line.
func shorten(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	if len(text) > most { // never in the middle of a character
		text = strings.ToValidUTF8(text[:most], "")
	}
	return text
}
