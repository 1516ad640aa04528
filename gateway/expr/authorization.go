package expr

import (
	"encoding/json"

	"eventgateway/gateway/event"
)

// claimsName stands for what a client has proved to be.
const claimsName = "claims"

// Authorization is a condition over an event and the claims of a client: `order.customer_id
// == claims.sub`. It is evaluated in three-valued logic, as rule.go says, and gives a right
// only where it is true. As an option it is read from text.
type Authorization struct{ rule *rule }

// OptionType names the type in tables.
func (Authorization) OptionType() string { return "condition over claims" }

// IsZero reports whether there is none.
func (a Authorization) IsZero() bool { return a.rule == nil }

func (a Authorization) String() string {
	if a.rule == nil {
		return ""
	}
	return a.rule.source
}

// UnmarshalText compiles text, for package options.
func (a *Authorization) UnmarshalText(text []byte) (err error) {
	a.rule, err = compileRule(string(text))
	return err
}

// ClaimKey returns what the claim that a is an equality with has in common with all that is
// equal to it; "" where the client has no such claim, or where it is equal to nothing. It
// says false where a is no such equality: then [Authorization.For] tells.
func (a Authorization) ClaimKey(claims map[string]any) (text string, keyed bool) {
	if a.rule == nil || a.rule.key == nil {
		return "", false
	}
	return string(appendKey(nil, claimOf(goValue(claims, true), a.rule.claim))), true
}

// EventKey returns the same of the other side of the equality for an event; "" where the event
// has nothing that is equal to something: then nobody may see it.
func (x *Evaluator) EventKey(dst []byte, a Authorization, ev *event.Event) []byte {
	x.sight.look(a.rule, value{}, ev)
	return appendKey(dst, a.rule.key.value(&x.sight))
}

// For returns the condition for a client with claims, and whether the client has all that
// are named. A claim that the rule asks for by ??, == nil or get may be missing. An empty
// text counts as missing.
func (a Authorization) For(claims map[string]any) (c Condition, complete bool) {
	r := &right{rule: a.rule, claims: goValue(claims, true)}
	for _, path := range a.rule.required {
		if claimOf(r.claims, path).kind <= null {
			return c, false
		}
	}
	return Condition{&program{source: a.rule.source, whole: -1, right: r}}, true
}

// ReadClaims returns as text what the rule reads of claims, in JSON. It is the same for clients
// that see the same by the rule, such as one with a renewed token; where the rule reads claims
// as a whole, or by a name that is known later, it is all of them.
func (a Authorization) ReadClaims(claims map[string]any) (string, error) {
	if a.rule == nil {
		return "", nil
	}
	var read any = claims
	if !a.rule.whole {
		values := map[string]any{}
		for _, path := range a.rule.named {
			if v, there := deepest(claims, path); there {
				name, err := json.Marshal(path)
				if err != nil {
					return "", err
				}
				values[string(name)] = v
			}
		}
		read = values
	}
	text, err := json.Marshal(read)
	return string(text), err
}

// deepest returns what is at a path of claims, or where the path ends before; false where its
// first name is not there.
func deepest(claims map[string]any, path []string) (v any, there bool) {
	v = claims
	for i, name := range path {
		object, ok := v.(map[string]any)
		if !ok {
			return v, i > 0
		}
		if v, ok = object[name]; !ok {
			return nil, i > 0
		}
	}
	return v, true
}

// ReadsField reports whether the condition reads a field of the payload, or all of it.
func (a Authorization) ReadsField(field string) bool {
	return a.rule != nil && a.rule.readsField(field)
}

// right is a rule for a client.
type right struct {
	rule   *rule
	claims value
}

// holds reports whether a right holds for an event: what is unknown does not.
func (x *Evaluator) holds(r *right, ev *event.Event) bool {
	x.sight.look(r.rule, r.claims, ev)
	return r.rule.root.value(&x.sight).is(true)
}

// claimOf returns what is at a path of claims.
func claimOf(v value, path []string) value {
	for _, name := range path {
		v = member(v, value{kind: textual, text: []byte(name)})
	}
	return v
}
