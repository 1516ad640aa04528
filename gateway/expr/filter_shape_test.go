package expr

import (
	"fmt"
	"strings"
	"testing"

	"eventgateway/gateway/event"
)

// TestFiltersWithLargeValuesAreRefused proves that a filter does not compile if it could make a value larger than
// those of the event, and that similar harmless filters do.
func TestFiltersWithLargeValuesAreRefused(t *testing.T) {
	for source, want := range map[string]string{
		`string([a, a, a]) matches "x"`:           "takes a field here",
		`string({"a": a}) contains "x"`:           "an object {}",
		`[a, a] == b`:                             "a list []",
		`a in [b, b]`:                             "a list []",
		`[a] in b`:                                "a list []",
		`len([a, a]) > 1`:                         "one field here",
		`max([a, a]) > 1`:                         "a list []",
		`first([a, a]) == 1`:                      "a list []",
		`coalesce([a, a], 1) == 1`:                "a list []",
		`get({"a": a}, "a") == 1`:                 "an object {}",
		`(a ?? [a]) == b`:                         "a list []",
		`a not in [[1, a]]`:                       "a list []",
		`a + a + a + a == b`:                      "at most 2 additions",
		`(a + a) matches "x"`:                     "one field here",
		`(a + a)[0:9] contains "x"`:               "one field here",
		`lower(a + a) == "x"`:                     "one field here",
		`upper(lower(a + a)) == "x"`:              "one field here",
		`(a ?? (a + a)) matches "x"`:              "one field here",
		`(a ? a + a : a) startsWith "x"`:          "one field here",
		`coalesce(a + a, a) endsWith "x"`:         "one field here",
		`trim(a, b) == ""`:                        "written in the filter",
		`string(lower(a)) == ""`:                  "takes a field here",
		`a | string() | lower() | trim(b) == "x"`: "written in the filter",
		`concat(a, a) == b`:                       "cannot use concat()",
		`flatten(a) == b`:                         "cannot use flatten()",
		`a.b matches "(" `:                        "missing closing",
		`$match(a, 0)`:                            "$match",
		`sort(a) == b || reverse(a) == b`:         "cannot use",
		`fromJSON(a) == b`:                        "cannot use fromJSON()",
		`toBase64(a) == b`:                        "cannot use toBase64()",
		`repeat(a, 99) == b`:                      "cannot use repeat()",
	} {
		if _, err := CompileFilter(source); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", source, err, want)
		}
	}
	ev := &event.Event{Channel: "c", Data: []byte(`{"a":"Ada","n":-3,"list":["x"],"o":{"id":7}}`)}
	var x Evaluator
	for _, source := range []string{
		`n in [1, -3, nil, "x"]`, `n not in [1]`, `string(o.id) matches "^7$"`, `lower(trim(a, " x")) startsWith "ad"`,
		`(o?.none ?? "") matches "^$"`, `not (o.none matches "x")`, `coalesce(o.none, a) contains "d"`, `first(list) matches "x" && len(list) == 1`, `a + "x" == "Adax"`,
		`a matches "^A" == true`, `(n < 0 ? a : list[0]) endsWith "a"`, `a[0:2] matches "^Ad$"`, `"x" in list`, `event.channel matches "c"`, `a matches "d"`, `max(n, 2) == 2`,
	} {
		c, err := CompileFilter(source)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		if is, err := x.True(c, ev); !is || err != nil {
			t.Errorf("%s: %v, %v", source, is, err)
		}
	}
}

// TestPatternsOverLongTexts proves that a match of a long text is an error in a filter, and none in a condition of
// the configuration.
func TestPatternsOverLongTexts(t *testing.T) {
	const source = `a matches "^x+$"`
	filter, err := CompileFilter(source)
	if err != nil {
		t.Fatal(err)
	}
	var condition Condition
	if err := condition.UnmarshalText([]byte(source)); err != nil {
		t.Fatal(err)
	}
	var x Evaluator
	for n, wrong := range map[int]bool{maxMatched: false, maxMatched + 1: true} {
		ev := &event.Event{Data: fmt.Appendf(nil, `{"a":"%s"}`, strings.Repeat("x", n))}
		if is, err := x.True(filter, ev); is == wrong || (err != nil) != wrong || wrong && !strings.Contains(err.Error(), "too long") {
			t.Errorf("a filter over %d bytes: %v, %v", n, is, err)
		}
		if is, err := x.True(condition, ev); !is || err != nil {
			t.Errorf("a condition over %d bytes: %v, %v", n, is, err)
		}
	}
	if _, err := x.True(filter, &event.Event{Data: []byte(`{"a":7}`)}); err == nil {
		t.Error("a number is matched")
	}
}
