package websocket

import (
	"slices"
	"strings"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
)

// channelNames computes the channels of events by the option channels. It is for one goroutine.
type channelNames struct {
	templates []expr.Template // none: the channel that the source has set
	eval      expr.Evaluator
	scratch   []byte
}

// of returns the name that each template gives for an event. A name is "" where a value is missing or the template cannot
// be evaluated: then the event is not in this channel.
func (c *channelNames) of(e *event.Event) []string {
	names := make([]string, len(c.templates))
	for i, t := range c.templates {
		missing := false
		text, err := c.eval.AppendEscaped(c.scratch[:0], t, e, func(value []byte) []byte {
			missing = missing || len(value) == 0
			return value
		})
		if err != nil {
			continue
		}
		if c.scratch = text; !missing {
			names[i] = string(text)
		}
	}
	return names
}

// prepare returns an event with its channels, and those of its old row. These are the same where no template is set.
func (c *channelNames) prepare(e *event.Event) storedEvent {
	p := storedEvent{Event: *e}
	if len(c.templates) == 0 {
		return p
	}
	p.channels = c.of(e)
	if before := withOldRow(e); before != nil {
		p.oldChannels = c.of(before)
	}
	return p
}

// channelsNow returns the channels of the event. A name may be "": then the event is not in this channel.
func (p *storedEvent) channelsNow() []string {
	if p.channels == nil {
		return []string{p.Channel}
	}
	return p.channels
}

// channelsBefore returns the channels of the old row.
func (p *storedEvent) channelsBefore() []string {
	if p.channels == nil {
		return []string{p.Channel}
	}
	return p.oldChannels
}

// channelKeys returns the keys of the channel with a number, of an event and of its old row.
func (p *storedEvent) channelKeys(number int) (pair keyPair) {
	if p.channels == nil {
		pair.now = expr.TextKey([]byte(p.Channel))
		pair.old = pair.now
		return pair
	}
	if name := p.channels[number]; name != "" {
		pair.now = expr.TextKey([]byte(name))
	}
	if p.oldChannels != nil && p.oldChannels[number] != "" {
		pair.old = expr.TextKey([]byte(p.oldChannels[number]))
	}
	return pair
}

// inChannels reports whether a subscription is for a channel of an event, and for one of its old row.
func (s subscription) inChannels(p *storedEvent) (now, old bool) {
	switch {
	case len(s.channels) == 0:
		return true, true
	case p.channels == nil:
		now = s.hasChannel(p.Channel)
		return now, now
	}
	has := func(name string) bool { return name != "" && s.hasChannel(name) }
	return slices.ContainsFunc(p.channels, has), slices.ContainsFunc(p.oldChannels, has)
}

// hasChannel reports whether a subscription is for a channel.
func (s subscription) hasChannel(name string) bool {
	if _, found := slices.BinarySearch(s.channels, name); found {
		return true
	}
	return slices.ContainsFunc(s.channels, func(c string) bool {
		prefix, all := strings.CutSuffix(c, "*")
		return all && strings.HasPrefix(name, prefix)
	})
}

// hasWildcard reports whether a subscription is for all channels with a prefix.
func (s subscription) hasWildcard() bool {
	return slices.ContainsFunc(s.channels, func(c string) bool { return strings.HasSuffix(c, "*") })
}
