package expr

// Term is an equality of a field, or of the channel, with a value that has a key.
type Term struct {
	Field   Field
	Channel bool // of the channel, and there is no field
	Key     Key
}

// TermSets are alternative sets of terms of a condition. If the condition is true for an event, then at least one
// term of each set holds for the payload. So an index of any one set finds all events for which the condition may be
// true. A set without terms is that of a condition that is never true. Without sets, no term is known, and the
// condition must be evaluated for each event.
type TermSets [][]Term

// Bounds of the terms of a condition. Beyond them a condition has fewer sets. An index takes about 100 bytes for each term.
const (
	maxTerms    = 20_000 // of a set
	maxTermSets = 4
)

// never are the sets of a condition that is never true.
var never = TermSets{{}}

// either returns the sets of a || b: the terms of both are in one set.
func either(a, b TermSets) (all TermSets) {
	for _, x := range a {
		for _, y := range b {
			if len(all) < maxTermSets && len(x)+len(y) <= maxTerms {
				all = append(all, append(x[:len(x):len(x)], y...))
			}
		}
	}
	return all
}

// both returns the sets of a && b: each set of one of them is a set.
func both(a, b TermSets) TermSets {
	all := append(a[:len(a):len(a)], b...)
	return all[:min(len(all), maxTermSets)]
}

// fieldIn returns the sets of a field that equals one of some keys. A key 0 equals nothing.
func fieldIn(steps []step, keys ...Key) TermSets {
	f, ok := fieldOf(steps)
	if !ok {
		return nil
	}
	return termsOf(Term{Field: f}, keys)
}

// termsOf returns the sets of a field or channel that equals one of some keys.
func termsOf(t Term, keys []Key) TermSets {
	if len(keys) > maxTerms {
		return nil
	}
	terms := []Term{}
	for _, k := range keys {
		if t.Key = k; k != 0 {
			terms = append(terms, t)
		}
	}
	return TermSets{terms}
}

// Terms returns the sets of terms of the condition: of a filter, or of a rule with the claims of a client.
func (c Condition) Terms() TermSets {
	switch {
	case c.program == nil:
		return nil
	case c.program.clientRule != nil:
		return ruleTerms(c.program.clientRule.root, true)
	}
	return filterTerms(c.program.source)
}

// Always reports whether the condition is a rule that is true for each event, with the claims of this client.
func (c Condition) Always() bool {
	if c.program == nil || c.program.clientRule == nil {
		return false
	}
	k, ok := c.program.clientRule.root.(constant)
	return ok && k.v.is(true)
}
