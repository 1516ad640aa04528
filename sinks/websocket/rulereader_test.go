package websocket

import (
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"eventgateway/gateway/event"
)

// ruleClaims are the claims of a client of the test.
type ruleClaims struct {
	sub, role      string
	channels, many []string
}

func (c ruleClaims) decoded() map[string]any {
	return map[string]any{"sub": c.sub, "role": c.role, "channels": anyOf(c.channels), "many": anyOf(c.many)}
}

func anyOf(list []string) (all []any) {
	all = []any{}
	for _, s := range list {
		all = append(all, s)
	}
	return all
}

// ruleRow is a row of the test, nil for none.
type ruleRow struct {
	Owner, Status string
	N             int
}

// readRule is a rule, and what a reader of its text understands. channel is "" if it is unknown.
type readRule struct {
	text  string
	shows func(c ruleClaims, row *ruleRow, channel string) bool
}

var readRules = []readRule{
	{"channel in claims.channels", func(c ruleClaims, _ *ruleRow, channel string) bool { return slices.Contains(c.channels, channel) }},
	{"channel in claims.channels && new.owner in claims.many", func(c ruleClaims, row *ruleRow, channel string) bool {
		return slices.Contains(c.channels, channel) && row != nil && slices.Contains(c.many, row.Owner)
	}},
	{`claims.role == "admin" || channel == "owner:" + claims.sub`, func(c ruleClaims, _ *ruleRow, channel string) bool {
		return c.role == "admin" || channel == "owner:"+c.sub
	}},
	{`claims.role == "admin" && channel in claims.channels`, func(c ruleClaims, _ *ruleRow, channel string) bool {
		return c.role == "admin" && slices.Contains(c.channels, channel)
	}},
	{"new.owner == claims.sub && new.n > 0", func(c ruleClaims, row *ruleRow, _ string) bool {
		return row != nil && row.Owner == c.sub && row.N > 0
	}},
	{"channel in claims.channels || new.owner == claims.sub && new.n > 0", func(c ruleClaims, row *ruleRow, channel string) bool {
		return slices.Contains(c.channels, channel) || row != nil && row.Owner == c.sub && row.N > 0
	}},
	{`channel startsWith "o" && new.n > 0 && new.owner in claims.many`, func(c ruleClaims, row *ruleRow, channel string) bool {
		return strings.HasPrefix(channel, "o") && row != nil && row.N > 0 && slices.Contains(c.many, row.Owner)
	}},
	{`channel != "owner:" + claims.sub && new.n > 0`, func(c ruleClaims, row *ruleRow, channel string) bool {
		return channel != "" && channel != "owner:"+c.sub && row != nil && row.N > 0
	}},
	{`claims.role == "admin" && new.n > 0 || new.owner in claims.many && new.n > 0`, func(c ruleClaims, row *ruleRow, _ string) bool {
		return row != nil && row.N > 0 && (c.role == "admin" || slices.Contains(c.many, row.Owner))
	}},
	{`any(claims.channels, # == channel) && claims.sub == new.owner`, func(c ruleClaims, row *ruleRow, channel string) bool {
		return slices.Contains(c.channels, channel) && row != nil && row.Owner == c.sub
	}},
}

// readFilter is a filter, and what a reader of its text understands.
type readFilter struct {
	text  string
	shows func(now, old *ruleRow) bool
}

var readFilters = []readFilter{
	{"", func(*ruleRow, *ruleRow) bool { return true }},
	{`new.status == "a"`, func(now, _ *ruleRow) bool { return now != nil && now.Status == "a" }},
	{`new.status == "a" && new.n > 0`, func(now, _ *ruleRow) bool { return now != nil && now.Status == "a" && now.N > 0 }},
	{`new.n > 0 && new.owner != "z"`, func(now, _ *ruleRow) bool { return now != nil && now.N > 0 && now.Owner != "z" }},
	{`old.status == "a" && new.n > 0`, func(now, old *ruleRow) bool { return now != nil && old != nil && old.Status == "a" && now.N > 0 }},
	{`new.owner in ["x", "y"] && new.n > 0`, func(now, _ *ruleRow) bool { return now != nil && now.N > 0 && (now.Owner == "x" || now.Owner == "y") }},
}

// ruleEvent is an event with its rows.
type ruleEvent struct {
	*event.Event
	now, old *ruleRow
}

func drawRow(t *rapid.T) *ruleRow {
	if rapid.IntRange(0, 3).Draw(t, "null") == 0 {
		return nil
	}
	return &ruleRow{rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "owner"), rapid.SampledFrom([]string{"a", "b"}).Draw(t, "status"), rapid.IntRange(0, 1).Draw(t, "n")}
}

func (r *ruleRow) json() string {
	if r == nil {
		return "null"
	}
	return fmt.Sprintf(`{"owner":"%s","status":"%s","n":%d}`, r.Owner, r.Status, r.N)
}

func drawRuleEvent(t *rapid.T, number int) ruleEvent {
	e := ruleEvent{now: drawRow(t), old: drawRow(t)}
	e.Event = &event.Event{Channel: rapid.SampledFrom([]string{"one", "two", "owner:x"}).Draw(t, "channel"), Data: fmt.Appendf(nil, `{"operation":"UPDATE","old":%s,"new":%s,"id":%d}`, e.old.json(), e.now.json(), number)}
	return e
}

func drawClaims(t *rapid.T) (c ruleClaims) {
	c.sub, c.role = rapid.SampledFrom([]string{"x", "y"}).Draw(t, "sub"), rapid.SampledFrom([]string{"user", "admin"}).Draw(t, "role")
	list := func(name string, of ...string) (all []string) {
		for _, s := range of {
			if rapid.Bool().Draw(t, name) {
				all = append(all, s)
			}
		}
		if rapid.Bool().Draw(t, "long") { // a set
			for i := range 10 {
				all = append(all, fmt.Sprint("other ", i))
			}
		}
		return all
	}
	c.channels, c.many = list("channels", "one", "two", "owner:x", "owner:y", "a"), list("many", "x", "y", "z")
	return c
}

// ruleView is a client.
type ruleView struct {
	claims ruleClaims
	filter readFilter
	sub    subscription
	topic  *topic
	at     position
	want   []string
	got    []string
}

// names returns the channels of a row.
func (v *ruleView) names(e ruleEvent, row *ruleRow, computed bool) (selected []string, any bool) {
	names := []string{e.Channel}
	if computed {
		names = []string{e.Channel}
		if row != nil {
			names = append(names, "owner:"+row.Owner, row.Status)
		}
	}
	if len(v.sub.channels) == 0 {
		return names, true
	}
	for _, name := range names {
		if slices.ContainsFunc(v.sub.channels, func(c string) bool {
			prefix, all := strings.CutSuffix(c, "*")
			return c == name || all && strings.HasPrefix(name, prefix)
		}) {
			selected = append(selected, name)
		}
	}
	return selected, len(selected) > 0
}

// message returns what the client must get of an event.
func (v *ruleView) message(rule readRule, e ruleEvent, computed bool) string {
	permits := func(names []string, row *ruleRow) bool {
		return slices.ContainsFunc(names, func(name string) bool { return rule.shows(v.claims, row, name) })
	}
	names, now := v.names(e, e.now, computed)
	before, old := v.names(e, e.old, computed)
	old = old && e.old != nil && permits(before, e.old)
	switch {
	case now && permits(names, e.now) && v.filter.shows(e.now, e.old):
		return string(e.Data)
	case !v.sub.protocol || !old || !v.filter.shows(e.old, e.old):
		return ""
	case now && permits(names, e.now):
		return string(leaveMessage(e.Data))
	}
	return fmt.Sprintf(`{"type":"leave","message":{"operation":"UPDATE","old":%s,"new":null}}`, e.old.json())
}

// read appends what the topic has behind the position.
func (v *ruleView) read() {
	for {
		frames, next := v.at.unread()
		if frames == nil {
			return
		}
		for len(frames) > 0 {
			_, payload, size := frameAt(frames)
			if frames = frames[size:]; !v.at.chunk.isPosition || v.topic.feeder == nil {
				v.got = append(v.got, string(payload))
			}
		}
		v.at = next
	}
}
