package expr

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"eventgateway/gateway/event"
)

// checkTerms fails if a set of terms of a condition, which is true for a payload, has no term that holds.
func checkTerms(t interface {
	Helper()
	Fatalf(string, ...any)
}, c Condition, payload []byte) (indexed bool) {
	t.Helper()
	sets := c.Terms()
	for _, set := range sets {
		var fields []Field
		for _, term := range set {
			fields = append(fields, term.Field)
		}
		keys := NewKeyReader(fields).Read(nil, payload)
		if !slices.ContainsFunc(set, func(term Term) bool { return keys[slices.Index(fields, term.Field)] == term.Key }) {
			t.Fatalf("`%s` is true for %q, and no term of %v holds", c, payload, set)
		}
	}
	return len(sets) > 0
}

// TestTermsFindRules proves for any rule, any claims and any payload: a rule with claims in place has the same result as
// the rule itself, and if it is true, then each of its sets has a term that holds.
func TestTermsFindRules(t *testing.T) {
	indexed, true_, constant := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		for range 10 {
			var a Authorization
			if a.UnmarshalText([]byte("("+conditions(3, 0).Draw(t, "rule")+") || (claims.p == 8 && a == 7)")) != nil {
				continue // the generator also makes rules that are refused
			}
			payload, _ := completed(t, "a", "b", "c", "yes", "o", "l", "m")
			text, _ := completed(t, "p", "q", "truth", "o", "l")
			claims := claimsFrom(t, text)
			c := Condition{&program{source: a.rule.source, clientRule: &clientRule{rule: a.rule, claims: goValue(claims, true)}}}
			r := c.program.clientRule
			r.root = specialize(a.rule, r.claims)
			ev := &event.Event{ID: "e", Data: []byte(payload)}
			var x Evaluator
			x.state.reset(a.rule, r.claims, ev)
			want := a.rule.root.value(&x.state)
			got := r.root.value(&x.state)
			if want.kind != got.kind || want.truth != got.truth {
				t.Fatalf("`%s` with %s over %s is %v, and with the claims in place %v", a, text, payload, want, got)
			}
			if isConstantClause(r.root) {
				constant++
			}
			if want.is(true) {
				true_++
				if checkTerms(t, c, ev.Data) {
					indexed++
				}
			}
		}
	})
	t.Logf("%d true, %d of these indexed; %d constant", true_, indexed, constant)
	if true_ == 0 || indexed == 0 || indexed == true_ || constant == 0 {
		t.Error("the generators no longer give all kinds")
	}
}

// TestTermsFindTextOfBoolean proves that an index finds the event where a rule compares the text of a boolean.
func TestTermsFindTextOfBoolean(t *testing.T) {
	c, _ := ruleFrom(t, "string(o.open) == claims.open").For(map[string]any{"open": "true"})
	ev := &event.Event{Data: []byte(`{"o":{"open":true}}`)}
	var x Evaluator
	if ok, err := x.True(c, ev); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if !checkTerms(t, c, ev.Data) {
		t.Error("the rule has no terms")
	}
}

// filters generates filters over documents, whose fields they compare with constants.
func filters(depth int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		sub := func() string { return filters(depth-1).Draw(t, "sub") }
		kind := rapid.IntRange(0, 10).Draw(t, "kind")
		if depth == 0 {
			kind = min(kind, 5)
		}
		fields := rapid.SampledFrom([]string{"a", "a", "b", "id", "id", "c", "é", "a?.b", "b?.a", "payload.a", "payload.id", `payload["c"]`, "a?.b?.id", "c", "a[0]", "payload[0]", "new?.a", `["x"][0]`, "event.id", "string(a)", "(a ?? b)"})
		constants := rapid.SampledFrom([]string{"7", "7.0", `"7"`, "-1000", "0", "-0", "100.5", `"a"`, `"INSERT"`, `""`, `"a\n"`, `"\ufffd"`, `"é😀"`, "true", "false", "nil", "9007199254740993", "9007199254740992.0", "1e300", "b"})
		field, constant := fields.Draw(t, "field"), constants.Draw(t, "constant")
		switch kind {
		case 0, 1, 2:
			if rapid.Bool().Draw(t, "swap") {
				field, constant = constant, field
			}
			return "(" + field + rapid.SampledFrom([]string{" == ", " == ", " != "}).Draw(t, "operator") + constant + ")"
		case 3, 4:
			return "(" + field + rapid.SampledFrom([]string{" in ", " not in "}).Draw(t, "operator") + "[" + constant + ", " + constants.Draw(t, "constant") + "])"
		case 5:
			return rapid.SampledFrom([]string{"(a == true)", "a", "true", "false", `(type(a) == "array")`}).Draw(t, "condition")
		case 6, 7, 8:
			return "(" + sub() + rapid.SampledFrom([]string{" && ", " || ", " and ", " or "}).Draw(t, "operator") + sub() + ")"
		case 9:
			return "(" + sub() + " ? " + sub() + " : " + sub() + ")"
		}
		return rapid.SampledFrom([]string{"!", "not "}).Draw(t, "not") + sub()
	})
}

// checkFilter checks the terms of a filter for a payload. It reports whether the filter compiles and is true.
func checkFilter(t interface {
	Helper()
	Fatalf(string, ...any)
}, source string, payload []byte) (isTrue, indexed bool) {
	t.Helper()
	c, err := CompileFilter(source)
	if err != nil {
		return false, false
	}
	checkConjuncts(t, c, &event.Event{Data: payload})
	var x Evaluator
	if isTrue, err = x.True(c, &event.Event{Data: payload}); err != nil || !isTrue {
		return false, false
	}
	return true, checkTerms(t, c, payload)
}

// TestTermsFindFilters proves for any filter and any payload: if the filter is true, then each of its sets has a term
// that holds.
func TestTermsFindFilters(t *testing.T) {
	indexed, matched := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		payload := documents(3).Draw(t, "payload")
		if rapid.Bool().Draw(t, "flat") {
			value := func() string { return documents(1).Draw(t, "value") }
			payload = fmt.Sprintf(`{"a":%s,"b":%s,"id":%s,"c":%s}`, value(), value(), value(), value())
		}
		for range 20 {
			if isTrue, found := checkFilter(t, filters(3).Draw(t, "filter"), []byte(payload)); isTrue {
				matched++
				if found {
					indexed++
				}
			}
		}
	})
	t.Logf("%d true, %d of these indexed", matched, indexed)
	if indexed == 0 || indexed == matched {
		t.Error("the generators no longer give both")
	}
}

// FuzzTermsFindFilters is TestTermsFindFilters for any source and any payload.
func FuzzTermsFindFilters(f *testing.F) {
	f.Add(`order.customer_id == "c17" && order.amount > 100`, []byte(`{"order":{"customer_id":"c17","amount":101}}`))
	f.Add(`a in [7, "x", -1.5] || !(b != true)`, []byte(`{"a":7.0,"b":true}`))
	f.Add(`a.b == "x" && c`, []byte(`{"a":{"b":"y"},"\u0061":{"b":["x"],"b":"\u0078"},"c":NaN}`))
	f.Add(`a in ["\u0065\u0301", "\u00e9"] and a != "E"`, []byte(`{"a":"\u00e9","a":null,"A":"x"}`))
	f.Add(`a == 1 && b == "1" && c == 1.0`, []byte(`{"a":1.0,"b":1,"c":"1"}`))
	f.Add(`a ? b == 1 : payload.c == 1e300`, []byte(`{"a":false,"c":1E300}`))
	f.Fuzz(func(t *testing.T, source string, payload []byte) { checkFilter(t, source, payload) })
}

// TestTerms proves which conditions have terms.
func TestTerms(t *testing.T) {
	for source, want := range map[string]string{
		`a.b == "x"`:                       `a.b`,
		`"x" == a["b"]`:                    `a.b`,
		`a == 1 && b == 2`:                 `a|b`,
		`a == 1 || b == 2`:                 `a,b`,
		`(a == 1 || b == 2) && c in [1,2]`: `a,b|c,c`,
		`a == 1 || b > 2`:                  ``,
		`a == nil`:                         ``,
		`a != 1`:                           ``,
		`!(a != 1)`:                        `a`,
		`a && b > 1`:                       `a`,
		`event.id == "x"`:                  ``,
		`false`:                            `never`,
	} {
		c, err := CompileFilter(source)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		var sets []string
		for _, set := range c.Terms() {
			var fields []string
			for _, term := range set {
				name := ""
				for _, part := range term.Field.parse() {
					name += fmt.Sprint(".", part)
				}
				fields = append(fields, name[1:])
			}
			if len(set) == 0 {
				fields = []string{"never"}
			}
			sets = append(sets, strings.Join(fields, ","))
		}
		if got := strings.Join(sets, "|"); got != want {
			t.Errorf("%s has the terms %q, want %q", source, got, want)
		}
	}
	many := `a in [0` + strings.Repeat(",1", maxTerms) + `]`
	if sets := filterTerms(many); sets != nil {
		t.Errorf("%d constants have %d terms", maxTerms+1, len(sets[0]))
	}
	for rule, claims := range map[string]string{
		`claims.role == "admin" || o.c == claims.sub`:            `{"role":"admin","sub":"x"}`,
		`any(claims.groups, # == "all") || o.g in claims.groups`: `{"groups":["all"]}`,
	} {
		c, _ := ruleFrom(t, rule).For(claimsFrom(t, claims))
		if !c.Always() {
			t.Errorf("%s with %s is not always true", rule, claims)
		}
		other := strings.NewReplacer("admin", "user", `"all"`, `"some"`).Replace(claims)
		c, _ = ruleFrom(t, rule).For(claimsFrom(t, other))
		if sets := c.Terms(); c.Always() || len(sets) != 1 || len(sets[0]) != 1 {
			t.Errorf("%s with %s has the terms %v", rule, other, sets)
		}
	}
}
