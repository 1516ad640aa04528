package expr

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"eventgateway/gateway/event"
)

// checkConjuncts fails if a condition is not true exactly where all its conjuncts are. It returns their number.
func checkConjuncts(t interface {
	Helper()
	Fatalf(string, ...any)
}, c Condition, ev *event.Event) int {
	t.Helper()
	var x Evaluator
	want, err := x.True(c, ev)
	want = want && err == nil
	got, all := true, c.Conjuncts()
	for _, j := range all {
		part, err := j.Condition()
		if err != nil {
			t.Fatalf("`%s` has the conjunct %s: %v", c, j.ID, err)
		}
		ok, err := x.True(part, ev)
		got = got && ok && err == nil
	}
	if got != want {
		t.Fatalf("`%s` is %v for %q, and its %d conjuncts are %v", c, want, ev.Data, len(all), got)
	}
	return len(all)
}

// TestConjunctsEqualCondition proves for any filter, any rule and any payload: a condition is true if and only if all its
// conjuncts are.
func TestConjunctsEqualCondition(t *testing.T) {
	several := 0
	rapid.Check(t, func(t *rapid.T) {
		payload, _ := completed(t, "a", "b", "c", "yes", "o", "l", "m")
		ev := &event.Event{ID: "e", Data: []byte(payload)}
		for range 10 {
			text := filters(2).Draw(t, "filter")
			for range rapid.IntRange(0, 2).Draw(t, "more") {
				text += rapid.SampledFrom([]string{" && ", " and ", "&&", " || "}).Draw(t, "operator") + filters(1).Draw(t, "filter")
			}
			if c, err := CompileFilter(text); err == nil && checkConjuncts(t, c, ev) > 1 {
				several++
			}
			var a Authorization
			if a.UnmarshalText([]byte(conditions(2, 0).Draw(t, "rule")+" && "+conditions(2, 0).Draw(t, "rule"))) != nil {
				continue
			}
			text, _ = completed(t, "p", "q", "truth", "o", "l")
			if c, complete := a.For(claimsFrom(t, text)); complete {
				checkConjuncts(t, c, ev)
			}
		}
	})
	if several == 0 {
		t.Error("no filter has several conjuncts")
	}
}

// TestConjuncts proves where a filter is split.
func TestConjuncts(t *testing.T) {
	for source, want := range map[string]string{
		`a == 1`:                      `a == 1`,
		` a == 1 && b == 2 `:          `a == 1|b == 2`,
		`a == "é" and b && c`:         `a == "é"|b|c`,
		`a && (b && c)`:               `a|(b && c)`,
		`(a && b)`:                    `(a && b)`,
		`(a && b) && (c || d)`:        `(a && b)|(c || d)`,
		`a || b && c`:                 `a || b && c`,
		`a && b ? c : d`:              `a && b ? c : d`,
		`a /* x && y */ && b // && c`: `a /* x && y */|b // && c`,
		`!a && not b`:                 `!a|not b`,
		`a == "x && y" && b`:          `a == "x && y"|b`,
	} {
		c, err := CompileFilter(source)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		var got []string
		for _, j := range c.Conjuncts() {
			got = append(got, j.ID)
		}
		if strings.Join(got, "|") != want {
			t.Errorf("%s is split into %q, want %q", source, got, want)
		}
	}
}

// TestSetEqualsList proves for any value and any list: a set has the same result as the list.
func TestSetEqualsList(t *testing.T) {
	texts := []string{"7", "7.0", `"7"`, "70e-1", "8", "-0", "0", `"x"`, `""`, "true", `"true"`, "false", "null", "[]", "[7]", "{}", "1e2000000", "-1e2000000", "9007199254740993", "9007199254740992", `"\ufffd"`, `"é"`, `"é"`, "1e400"}
	found := 0
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom(texts)
		list := value{kind: listing}
		for range rapid.IntRange(0, 12).Draw(t, "items") {
			list.items = append(list.items, rawValue([]byte(text.Draw(t, "item"))))
		}
		set := newConstantSet(list.items)
		for _, one := range texts {
			v := rawValue([]byte(one))
			want, got := contained(v, list), set.contains(v)
			if want.kind != got.kind || want.truth != got.truth {
				t.Fatalf("%s in %v is %v, and in the set %v", one, list.items, want, got)
			}
			if got.is(true) {
				found++
			}
		}
	})
	if found == 0 {
		t.Error("no item was found")
	}
}

// TestClientsWithEqualRights proves that clients have equal IDs if and only if the rule with their claims is the same.
func TestClientsWithEqualRights(t *testing.T) {
	tenants := func(n int, last string) string {
		list := []string{}
		for i := range n {
			list = append(list, fmt.Sprintf(`"t%d"`, i))
		}
		return `{"sub":"x","role":"user","tenants":[` + strings.Join(append(list, last), ",") + `]}`
	}
	for _, c := range []struct {
		rule, one, other string
		same             bool
	}{
		{`claims.role == "admin" || o.c == claims.sub`, `{"role":"user","sub":"x"}`, `{"role":"guest","sub":"x"}`, true},
		{`claims.role == "admin" || o.c == claims.sub`, `{"role":"user","sub":"x"}`, `{"role":"user","sub":"y"}`, false},
		{`claims.role == "admin" || o.c == claims.sub`, `{"role":"user","sub":7}`, `{"role":"user","sub":"7"}`, false},
		{`o.t in claims.tenants`, tenants(3, `"a"`), tenants(3, `"b"`), false},
		{`o.t in claims.tenants`, tenants(30, `"a"`), tenants(30, `"b"`), false},
		{`o.t in claims.tenants`, tenants(30, `null`), tenants(30, `"t1"`), false},
		{`o.t in claims.tenants && claims.sub != "z"`, tenants(30, `"a"`), strings.Replace(tenants(30, `"a"`), `"x"`, `"y"`, 1), true},
	} {
		a := ruleFrom(t, c.rule)
		one, _ := a.For(claimsFrom(t, c.one))
		other, _ := a.For(claimsFrom(t, c.other))
		if one.ID() == "" || (one.ID() == other.ID()) != c.same {
			t.Errorf("%s: the IDs of %s and %s are %s and %s", c.rule, c.one, c.other, one.ID(), other.ID())
		}
		if slices.ContainsFunc(one.Conjuncts(), func(j Conjunct) bool { return j.ID == "" }) {
			t.Errorf("%s has a conjunct without an ID", c.rule)
		}
	}
}
