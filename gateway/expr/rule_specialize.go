package expr

// Bounds of the work of a specializer: the elements of a list of claims over which a loop is expanded, and the clauses
// of the result. A rule that exceeds the latter is evaluated as it is.
const (
	maxExpanded    = 100
	maxSpecialized = 5 * maxClauses
)

// specializer puts the claims of a client in the place of their names in a rule, and evaluates each part that does not
// depend on the event. So `claims.role == "admin" || order.customer_id == claims.sub` becomes true for an
// administrator, and an equality for others.
type specializer struct {
	state   ruleState
	bound   []bool // the loops whose element is in state.items, by depth
	clauses int    // visited; a loop that is expanded counts for each element

	inChannel    bool // state.channel is known
	readsChannel bool // a channelOf was visited, and is not known
}

// specialize returns the root of a rule for a client with claims.
func specialize(r *rule, claims value) clause {
	return newSpecializer(r, claims).root(r.root)
}

func newSpecializer(r *rule, claims value) *specializer {
	z := &specializer{bound: make([]bool, r.depth)}
	z.state.reset(r, claims, nil)
	return z
}

// root returns the root of the rule, or of a part of it that was specialized before.
func (z *specializer) root(c clause) clause {
	if root := z.clause(c); z.clauses <= maxSpecialized {
		return root
	}
	return c
}

// readsChannel reports whether a root that was specialized uses channel.
func readsChannel(r *rule, claims value, root clause) bool {
	if !r.readsChannel {
		return false
	}
	z := newSpecializer(r, claims)
	z.clause(root)
	return z.readsChannel || z.clauses > maxSpecialized
}

func isConstantClause(all ...clause) bool {
	for _, c := range all {
		if _, ok := c.(constant); !ok {
			return false
		}
	}
	return true
}

// fold returns c, or its value as a constant if all its parts are constants.
func (z *specializer) fold(c clause, parts ...clause) clause {
	if !isConstantClause(parts...) {
		return c
	}
	return constant{c.value(&z.state)}
}

func (z *specializer) clause(c clause) clause {
	if z.clauses++; z.clauses > maxSpecialized {
		return c
	}
	switch c := c.(type) {
	case allClaims:
		return constant{z.state.claims}
	case channelOf:
		if z.inChannel {
			return constant{z.state.channel}
		}
		z.readsChannel = true
	case loopElement:
		if z.bound[c.depth] {
			return constant{z.state.items[c.depth]}
		}
	case path:
		return z.path(c)
	case not:
		of := z.clause(c.of)
		return z.fold(not{of}, of)
	case logical:
		return z.logical(c)
	case conditional:
		when, yes, no := z.clause(c.when), z.clause(c.yes), z.clause(c.no)
		if k, ok := when.(constant); ok && k.v.is(true) {
			return yes
		} else if ok && k.v.is(false) {
			return no
		}
		return z.fold(conditional{when, yes, no}, when, yes, no)
	case isNull:
		of := z.clause(c.of)
		return z.fold(isNull{of}, of)
	case fallback:
		left, right := z.clause(c.left), z.clause(c.right)
		if k, ok := left.(constant); ok && k.v.kind != null {
			return left
		} else if ok {
			return right
		}
		return fallback{left, right}
	case unaryCall:
		of := z.clause(c.of)
		return z.fold(unaryCall{c.name, c.f, of}, of)
	case binaryCall:
		left, right := z.clause(c.left), z.clause(c.right)
		if k, ok := right.(constant); ok && c.name == "in" && !isConstantClause(left) && k.v.kind == listing && len(k.v.items) >= minSet {
			return inSet{left, newConstantSet(k.v.items)}
		}
		return z.fold(binaryCall{c.name, c.f, left, right}, left, right)
	case inSet:
		left := z.clause(c.left)
		return z.fold(inSet{left, c.set}, left)
	case elements:
		parts := make([]clause, len(c.of))
		for i, of := range c.of {
			parts[i] = z.clause(of)
		}
		return z.fold(elements{parts}, parts...)
	case match:
		of := z.clause(c.of)
		return z.fold(match{of, c.pattern}, of)
	case loop:
		return z.loop(c)
	}
	return c // it depends on the event, or is a constant
}

func (z *specializer) path(c path) clause {
	p := path{from: z.clause(c.from)}
	parts := []clause{p.from}
	for _, step := range c.steps {
		key := z.clause(step.key)
		p.steps, parts = append(p.steps, pathStep{key, step.optional}), append(parts, key)
	}
	return z.fold(p, parts...)
}

func (z *specializer) logical(c logical) clause {
	return z.join(logical{z.clause(c.left), z.clause(c.right), c.decisive})
}

// join folds an operator whose operands are folded.
func (z *specializer) join(c logical) clause {
	for _, sides := range [2][2]clause{{c.left, c.right}, {c.right, c.left}} {
		k, ok := sides[0].(constant)
		switch {
		case ok && k.v.is(c.decisive):
			return k
		case ok && k.v.is(!c.decisive) && isBoolean(sides[1]):
			return sides[1]
		}
	}
	return z.fold(c, c.left, c.right)
}

// isBoolean reports whether the value of a clause is always a boolean or unknown.
func isBoolean(c clause) bool {
	switch c := c.(type) {
	case not, logical, isNull, match, loop, inSet:
		return true
	case binaryCall:
		return comparisons[c.name] != nil
	}
	return false
}

// loop expands a loop over constants to a && b && c, or a || b || c.
func (z *specializer) loop(c loop) clause {
	list := z.clause(c.list)
	outer, wasBound := z.state.items[c.depth], z.bound[c.depth] // a variable may hold a loop, and be used within another
	defer func() { z.state.items[c.depth], z.bound[c.depth] = outer, wasBound }()
	k, ok := list.(constant)
	switch {
	case ok && k.v.kind != listing:
		return constant{}
	case !ok || len(k.v.items) > maxExpanded:
		z.bound[c.depth] = false
		return loop{list, z.clause(c.body), c.depth, c.decisive}
	}
	z.bound[c.depth] = true
	all := clause(constant{boolValue(!c.decisive)})
	for _, item := range k.v.items {
		z.state.items[c.depth] = item
		all = z.join(logical{all, z.clause(c.body), c.decisive})
	}
	return all
}
