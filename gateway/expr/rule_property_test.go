package expr

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"eventgateway/gateway/event"
)

// conditions generates rules that do not handle missing values: they have no == nil and no ??.
func conditions(depth, loops int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		sub := func() string { return conditions(depth-1, loops).Draw(t, "sub") }
		kind := rapid.IntRange(0, 13).Draw(t, "kind")
		if depth == 0 {
			kind = min(kind, 7)
		}
		scalars := []string{"a", "b", "c", "o.x", "o.y", "l[0]", "l[1]", "claims.p", "claims.q", "claims.o.x", "claims.l[0]", `get(claims, "q")`, `get(o, "x")`, "7", "8", `"7"`, `"x"`, "true", "string(a)", "string(claims.p)", "int(b)", "lower(c)", "len(l)", "claims[c]", "last(l)", "a?.b"}
		lists := []string{"l", "claims.l", "m", "o.l", "[a, claims.p, 7]", `[7, "x"]`, `split(c, ",")`, "claims.none"}
		if loops > 0 {
			scalars = append(scalars, "#", "#", "#.x")
			lists = append(lists, "#")
		}
		scalar := func() string { return rapid.SampledFrom(scalars).Draw(t, "scalar") }
		list := func() string { return rapid.SampledFrom(lists).Draw(t, "list") }
		switch kind {
		case 0, 1, 2:
			op := rapid.SampledFrom([]string{"==", "!=", "<", "<=", ">", ">=", "contains", "startsWith"}).Draw(t, "operator")
			return "(" + scalar() + " " + op + " " + scalar() + ")"
		case 3, 4, 5:
			return "(" + scalar() + rapid.SampledFrom([]string{" in ", " not in "}).Draw(t, "in") + list() + ")"
		case 6:
			return rapid.SampledFrom([]string{"yes", "claims.truth", "a", "claims.q"}).Draw(t, "boolean")
		case 7:
			return "(" + scalar() + ` matches "7|x")`
		case 8, 9:
			return "(" + sub() + rapid.SampledFrom([]string{" && ", " || "}).Draw(t, "operator") + sub() + ")"
		case 10, 11:
			return "!" + sub()
		case 12:
			return "(" + sub() + " ? " + sub() + " : " + sub() + ")"
		}
		return rapid.SampledFrom([]string{"any", "all", "none"}).Draw(t, "loop") + "(" + list() + ", " + conditions(depth-1, loops+1).Draw(t, "body") + ")"
	})
}

// completed generates a document twice: whole, and with some parts null or missing.
func completed(t *rapid.T, names ...string) (whole, partial string) {
	var w, p []string
	for _, name := range names {
		scalars := rapid.SampledFrom([]string{"7", "7", "8", "7.0", `"7"`, `"x"`, "true", `"true"`, "9007199254740993"})
		switch name {
		case "b", "c":
			scalars = rapid.SampledFrom([]string{`"7"`, `"x"`, `"x,7"`, `"a"`})
		case "yes":
			scalars = rapid.SampledFrom([]string{"true", "false"})
		}
		var value, hidden string
		switch name {
		case "l", "m":
			var items, some []string
			for range rapid.IntRange(0, 3).Draw(t, "items") {
				item := scalars.Draw(t, "item")
				items, some = append(items, item), append(some, item)
				if rapid.IntRange(0, 2).Draw(t, "hide") == 0 {
					some[len(some)-1] = "null"
				}
			}
			value, hidden = "["+strings.Join(items, ",")+"]", "["+strings.Join(some, ",")+"]"
		case "o":
			value, hidden = completed(t, "x", "y", "l")
		default:
			value = scalars.Draw(t, "value")
			hidden = value
		}
		w = append(w, `"`+name+`":`+value)
		switch rapid.IntRange(0, 11).Draw(t, "hide") {
		case 0:
			p = append(p, `"`+name+`":null`)
		case 1: // missing
		default:
			p = append(p, `"`+name+`":`+hidden)
		}
	}
	p = append(p, `"_":0`) // it is never empty
	return "{" + strings.Join(w, ",") + "}", "{" + strings.Join(p, ",") + "}"
}

// TestUnknownNeverGrants proves that a rule that is true or false with missing values has the same result with any
// values in their place. So a missing value never turns a denial into a permission.
func TestUnknownNeverGrants(t *testing.T) {
	count := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		var a Authorization
		if a.UnmarshalText([]byte("claims.on && "+conditions(3, 0).Draw(t, "rule"))) != nil { // 7 contains "x"
			return
		}
		on := func(claims string) map[string]any { return claimsFrom(t, `{"on":true,`+claims[1:]) }
		for range 30 {
			payload, partial := completed(t, "a", "b", "c", "o", "l", "m", "yes")
			claims, fewer := completed(t, "p", "q", "o", "l", "yes")
			want, got := evaluateRule(a, on(claims), payload), evaluateRule(a, on(fewer), partial)
			if got != "unknown" && got != want {
				t.Fatalf("%s\nis %s over %s with %s\nbut %s over %s with %s", a, got, partial, fewer, want, payload, claims)
			}
			count[got]++
		}
	})
	t.Logf("%v", count)
	if len(count) < 3 {
		t.Errorf("the generators no longer give all: %v", count)
	}
}

// TestRulesEqualExpressions proves that a rule that is true or false has the same result as a condition in two-valued
// logic over the same values.
func TestRulesEqualExpressions(t *testing.T) {
	agreed := 0
	rapid.Check(t, func(t *rapid.T) {
		var a Authorization
		var c Condition
		source := "claims.on && " + conditions(3, 0).Draw(t, "rule")
		if a.UnmarshalText([]byte(source)) != nil || c.UnmarshalText([]byte(source)) != nil {
			return
		}
		var x Evaluator
		for range 20 {
			payload, _ := completed(t, "a", "b", "c", "o", "l", "m", "yes")
			claims, _ := completed(t, "p", "q", "o", "l", "yes")
			claims = `{"on":true,` + claims[1:]
			got := evaluateRule(a, claimsFrom(t, claims), payload)
			want, err := x.True(c, &event.Event{Data: []byte(`{"claims":` + claims + "," + payload[1:])})
			if err != nil || got == "unknown" {
				continue
			}
			if got != fmt.Sprint(want) {
				t.Fatalf("%s over %s with %s is %s, and as an expression %t", source, payload, claims, got, want)
			}
			agreed++
		}
	})
	if agreed == 0 {
		t.Error("the generators no longer give any")
	}
}
