package expr

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"eventgateway/gateway/event"
)

// claimsName is the name of the claims of a client's token.
const claimsName = "claims"

// Authorization is a condition over an event and the claims of a client: `order.customer_id
// == claims.sub`. It is evaluated in three-valued logic (see rule.go): unknown does not permit.
// As an option it is read from text.
type Authorization struct{ rule *rule }

// OptionType names the type in tables.
func (Authorization) OptionType() string { return "condition over claims" }

// IsZero reports whether there is no condition.
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

// For returns the condition for a client with claims. complete reports whether the client has all claims that the
// rule requires. A claim that the rule reads by ??, == nil or get is not required. An empty
// text counts as missing.
func (a Authorization) For(claims map[string]any) (c Condition, complete bool) {
	r := &clientRule{rule: a.rule, claims: goValue(claims, true)}
	for _, path := range a.rule.requiredClaims {
		if claimOf(r.claims, path).kind <= null {
			return c, false
		}
	}
	r.root = specialize(a.rule, r.claims)
	r.readsChannel = readsChannel(a.rule, r.claims, r.root)
	if text, ok := appendClause(nil, r.root); ok { // the rest of the rule reads no claims: do not hold them
		sum := sha256.Sum256(text)
		r.id, r.claims = hex.EncodeToString(sum[:]), value{}
	}
	return Condition{&program{source: a.rule.source, onlyLookup: -1, clientRule: r}}, true
}

// ReadClaims returns the part of claims that the rule reads, as JSON. Clients with the same part have the same
// rights, for example one client with a renewed token. If the rule reads claims as a whole, or by a computed
// name, the part is all claims.
func (a Authorization) ReadClaims(claims map[string]any) (string, error) {
	if a.rule == nil {
		return "", nil
	}
	var read any = claims
	if !a.rule.readsAllClaims {
		values := map[string]any{}
		for _, path := range a.rule.claimsRead {
			if depth, v := deepest(claims, path); depth > 0 {
				name, err := json.Marshal(path)
				if err != nil {
					return "", err
				}
				values[string(name)] = []any{depth, v}
			}
		}
		read = values
	}
	text, err := json.Marshal(read)
	return string(text), err
}

// deepest returns how many names of a path claims have, and the value behind them. An object without the next name is
// returned as an empty one. So claims with equal results have equal values at the path, also where a member of null is
// unknown and a missing member is null.
func deepest(claims map[string]any, path []string) (depth int, v any) {
	v = claims
	for depth, name := range path {
		object, ok := v.(map[string]any)
		if !ok {
			return depth, v
		}
		if v, ok = object[name]; !ok {
			return depth, map[string]any{}
		}
	}
	return len(path), v
}

// ReadsField reports whether the condition reads a field of the payload, or all of it.
func (a Authorization) ReadsField(field string) bool {
	return a.rule != nil && a.rule.readsField(field)
}

// clientRule is a rule with the claims of one client.
type clientRule struct {
	rule   *rule
	claims value
	root   clause // of the rule with the claims in place
	id     string // clients of the rule with equal ids may see the same events; "": unknown, because root reads claims as a whole

	readsChannel bool // root uses channel
}

// ID returns a text for the rights of a client: clients of one rule with equal IDs may see the same events, for example two
// administrators. It returns "" if such a text is not known, and for a filter.
func (c Condition) ID() string {
	if c.program == nil || c.program.clientRule == nil {
		return ""
	}
	return c.program.clientRule.id
}

// permits reports whether the rule is true for an event in a channel. With "" the channel is unknown. A rule with an unknown
// result is not true.
func (x *Evaluator) permits(r *clientRule, ev *event.Event, channel string) bool {
	x.state.reset(r.rule, r.claims, ev)
	if r.readsChannel && channel != "" {
		x.state.channel = textValue([]byte(channel))
	}
	return r.root.value(&x.state).is(true)
}

// claimOf returns the value at a path of claims.
func claimOf(v value, path []string) value {
	for _, name := range path {
		v = member(v, value{kind: textual, text: []byte(name)})
	}
	return v
}
