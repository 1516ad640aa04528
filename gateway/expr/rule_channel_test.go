package expr

import (
	"regexp"
	"strconv"
	"testing"

	"eventgateway/gateway/event"
)

// channelRules are rules that use channel.
var channelRules = []string{
	"channel in claims.channels", `channel == "customer:" + claims.sub`, `channel startsWith "public:" || owner == claims.sub`, "channel == claims.sub",
	`claims.role == "admin" || channel in claims.channels && owner == claims.sub`, `!(channel != claims.sub)`, "any(claims.channels, channel startsWith #)",
	`channel == nil && claims.sub == "x"`, `(channel ?? "none") in claims.channels`, `let c = channel; c == claims.sub`, `channel contains claims.sub ? owner == "x" : open`,
}

var channelClaims = []map[string]any{
	{"sub": "x", "role": "user", "channels": []any{"public:1", "customer:x", "none"}}, {"sub": "y", "role": "admin", "channels": []any{"public:"}}, {"sub": "7", "role": "none", "channels": []any{}},
}

// TestChannelInRules: a rule with channel equals the rule with the name of the channel as a literal. NeverIn is true for no
// channel in which the rule is true for an event.
func TestChannelInRules(t *testing.T) {
	word := regexp.MustCompile(`\bchannel\b`)
	events := []*event.Event{{Data: []byte(`{"owner":"x","open":true}`)}, {Data: []byte(`{"owner":"y","open":false}`)}, {Data: []byte(`{}`)}, {Data: []byte("text")}}
	var x Evaluator
	truths, nevers := 0, 0
	for _, rule := range channelRules {
		for _, claims := range channelClaims {
			var a Authorization
			if err := a.UnmarshalText([]byte(rule)); err != nil {
				t.Fatal(err)
			}
			c, _ := a.For(claims)
			if !a.ReadsChannel() {
				t.Errorf("%s: does not read channel", rule)
			}
			for _, name := range []string{"public:1", "customer:x", "x", "7", "none", "other"} {
				var literal Authorization
				if err := literal.UnmarshalText([]byte(word.ReplaceAllString(rule, strconv.Quote(name)))); err != nil {
					t.Fatal(err)
				}
				want, _ := literal.For(claims)
				for _, e := range events {
					got, err := x.TrueIn(c, e, name)
					if expected, _ := x.True(want, e); err != nil || got != expected {
						t.Errorf("%s for %v in %s with %s: %v, %v", rule, claims, name, e.Data, got, err)
					}
					if got {
						truths++
					}
					if got && c.NeverIn(name) {
						t.Errorf("%s for %v: never in %s, but for %s", rule, claims, name, e.Data)
					}
				}
				if c.NeverIn(name) {
					nevers++
				}
			}
		}
	}
	if truths == 0 || nevers == 0 {
		t.Error(truths, nevers)
	}
}

// TestUnknownChannel: without a channel a rule is true only if it is true whatever the channel is.
func TestUnknownChannel(t *testing.T) {
	var a Authorization
	if err := a.UnmarshalText([]byte(`owner == claims.sub || channel in claims.channels`)); err != nil {
		t.Fatal(err)
	}
	c, _ := a.For(channelClaims[0])
	var x Evaluator
	for data, want := range map[string]bool{`{"owner":"x"}`: true, `{"owner":"y"}`: false} {
		if got, _ := x.TrueIn(c, &event.Event{Data: []byte(data)}, ""); got != want {
			t.Errorf("%s: %v", data, got)
		}
	}
	admin, _ := func() (Condition, bool) {
		var a Authorization
		if err := a.UnmarshalText([]byte(channelRules[4])); err != nil {
			t.Fatal(err)
		}
		return a.For(channelClaims[1])
	}()
	if !admin.Always() || admin.ReadsChannel() {
		t.Error("the rule of an administrator reads channel")
	}
}

// TestPlusJoinsTextsOnly: + joins texts in a rule, and computes nothing else.
func TestPlusJoinsTextsOnly(t *testing.T) {
	var a Authorization
	if err := a.UnmarshalText([]byte(`amount + claims.sub > 1`)); err == nil {
		t.Error("a rule may add")
	}
}
