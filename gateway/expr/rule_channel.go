package expr

import "eventgateway/gateway/event"

// channelName is the name by which a rule reads the channel of an event. For an event with several channels, the rule is
// evaluated for each.
const channelName = "channel"

// channelOf is the channel for which the rule is evaluated. It is unknown for an event without one.
type channelOf struct{}

func (channelOf) value(s *ruleState) value { return s.channel }

// ReadsChannel reports whether the condition uses channel.
func (a Authorization) ReadsChannel() bool { return a.rule != nil && a.rule.readsChannel }

// ReadsChannel reports whether the condition is a rule that uses channel, with the claims of this client.
func (c Condition) ReadsChannel() bool {
	return c.program != nil && c.program.clientRule != nil && c.program.clientRule.readsChannel
}

// NeverIn reports whether the condition is a rule over channel that is true for no event in a channel, with the claims of this
// client. These may make the rule false whatever the channel is.
func (c Condition) NeverIn(channel string) bool {
	if c.program == nil || c.program.clientRule == nil || !c.program.clientRule.rule.readsChannel {
		return false
	}
	r := c.program.clientRule
	z := newSpecializer(r.rule, r.claims)
	z.inChannel, z.state.channel = true, textValue([]byte(channel))
	k, ok := z.root(r.root).(constant)
	return ok && !k.v.is(true)
}

// TrueIn reports whether c is true for ev in a channel. With "" the channel is unknown.
func (x *Evaluator) TrueIn(c Condition, ev *event.Event, channel string) (bool, error) {
	if r := c.program.clientRule; r != nil {
		return x.permits(r, ev, channel), nil
	}
	return x.True(c, ev)
}
