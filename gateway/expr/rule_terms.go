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
		if f, isField := keyedField(c.left); isField && want {
			return fieldIn(f.steps, slices.Compact(slices.Clone(c.set.keys))...)
		}
	case binaryCall:
		return comparisonTerms(c, want)
	}
	return nil
}

// comparisonTerms returns the sets of terms of a comparison of a field with constants.
func comparisonTerms(c binaryCall, want bool) TermSets {
	switch {
	case c.name == "==" && want, c.name == "!=" && !want:
		for _, sides := range [2][2]clause{{c.left, c.right}, {c.right, c.left}} {
			f, isField := keyedField(sides[0])
			if k, ok := sides[1].(constant); ok && isField {
				return fieldIn(f.steps, k.v.key())
			}
		}
	case c.name == "in" && want:
		f, isField := keyedField(c.left)
		if k, ok := c.right.(constant); ok && isField && k.v.kind == listing {
			var keys []Key
			for _, item := range k.v.items {
				keys = append(keys, item.key())
			}
			return fieldIn(f.steps, keys...)
		}
	}
	return nil
}

// keyedField returns the field that a clause is, or whose text it is: x and string(x) have the same key.
func keyedField(c clause) (f field, ok bool) {
	if u, isCall := c.(unaryCall); isCall && u.name == "string" {
		c = u.of
	}
	f, ok = c.(field)
	return f, ok
}
