package expr

import "slices"

// ruleTerms returns the sets of terms that hold where the value of a clause is the boolean want.
func ruleTerms(c clause, want bool) TermSets {
	switch c := c.(type) {
	case constant:
		if !c.v.is(want) {
			return never
		}
	case field:
		return fieldIn(c.steps, boolKey(want))
	case not:
		return ruleTerms(c.of, !want)
	case logical:
		if left, right := ruleTerms(c.left, want), ruleTerms(c.right, want); want == c.decisive {
			return either(left, right)
		} else {
			return both(left, right)
		}
	case conditional: // if the condition is unknown, yes and no are equal
		return either(ruleTerms(c.yes, want), ruleTerms(c.no, want))
	case fallback:
		return either(ruleTerms(c.left, want), ruleTerms(c.right, want))
	case inSet:
		if want {
			return keyedTerms(c.left, slices.Compact(slices.Clone(c.set.keys)))
		}
	case binaryCall:
		return comparisonTerms(c, want)
	}
	return nil
}

// comparisonTerms returns the sets of terms of a comparison of a field, or the channel, with constants.
func comparisonTerms(c binaryCall, want bool) TermSets {
	switch {
	case c.name == "==" && want, c.name == "!=" && !want:
		for _, sides := range [2][2]clause{{c.left, c.right}, {c.right, c.left}} {
			if k, ok := sides[1].(constant); ok {
				if sets := keyedTerms(sides[0], []Key{k.v.key()}); sets != nil {
					return sets
				}
			}
		}
	case c.name == "in" && want:
		if k, ok := c.right.(constant); ok && k.v.kind == listing {
			var keys []Key
			for _, item := range k.v.items {
				keys = append(keys, item.key())
			}
			return keyedTerms(c.left, keys)
		}
	}
	return nil
}

// keyedTerms returns the sets of terms that hold where a clause equals one of some keys. The clause must be a field, the
// channel, or the text of one of them: x and string(x) have the same key.
func keyedTerms(c clause, keys []Key) TermSets {
	if u, isCall := c.(unaryCall); isCall && u.name == "string" {
		c = u.of
	}
	switch c := c.(type) {
	case field:
		return fieldIn(c.steps, keys...)
	case channelOf:
		return termsOf(Term{Channel: true}, keys)
	}
	return nil
}
