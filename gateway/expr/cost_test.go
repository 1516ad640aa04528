package expr

import (
	"fmt"
	"regexp/syntax"
	"strings"
	"testing"
)

// TestCostlyFiltersAreRefused proves that filters beyond a bound do not compile, and that the error names the bound.
func TestCostlyFiltersAreRefused(t *testing.T) {
	repeated := func(n int, part, between string) string {
		return strings.TrimSuffix(strings.Repeat(part+between, n), between)
	}
	for source, want := range map[string]string{
		`order.customer_name matches "(?:\\pL?){1000}z"`:                 "at most 300 instructions in its patterns are allowed, and it has 3003",
		`a matches "x{100}" || b matches "x{100}" || c matches "x{100}"`: "at most 300 instructions in its patterns",
		`a matches "((((x{10}){10}){10})y?){1}"`:                         "instructions",
		`not (a matches "x{500}")`:                                       "instructions",
		repeated(6, `a matches "x"`, " || "):                             "at most 5 patterns are allowed, and it has 6",
		repeated(21, "(", "") + "a" + repeated(21, ")", ""):              "at most 20 brackets in each other are allowed, and it has 21",
		`a == ` + repeated(30, "[", "") + repeated(30, "]", ""):          "brackets in each other are allowed, and it has 30",
		repeated(12, "a", "+") + ` == "x"`:                               "at most 2 additions are allowed, and it has 11",
		repeated(101, "a", "||"):                                         "at most 200 operators, operands and calls are allowed, and it has 201",
		strings.Repeat("!", 300) + "a":                                   "operands and calls are allowed, and it has 301",
		`a == "` + strings.Repeat("x", 1024) + `"`:                       "at most 1024 bytes are allowed, and it has 1031",
		`a matches b`:           "patterns that are not written in it",
		`all(a, # > 1)`:         "loops",
		`any(a, any(#, # > 1))`: "loops",
		`a matches "` + strings.Repeat(`\\pL`, 200) + strings.Repeat(`(`, 1) + `"`:      "missing closing",
		`a matches "` + strings.Repeat(`(`, 300) + `x` + strings.Repeat(`)`, 300) + `"`: "instructions",
	} {
		if _, err := CompileFilter(source); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %s", source, err, want)
		}
	}
	for _, source := range []string{
		`order.customer_name matches "^(?i)(ada|grace) [a-z]{1,20}$"`,
		`order.sku matches "^ORD-\\d{4}-[A-Z]{2,3}$" && order.amount * 1.19 + order.shipping > 100`,
		`note == "((((((((((((((((((((((((("`,
		"note == '\\'((((((((((((((((((((((((('",
		`order.status in ["new", "paid", "sent"] && (order.customer.country ?? "AT") == "AT"`,
		repeated(50, "a == 1", " || "),
	} {
		if _, err := CompileFilter(source); err != nil {
			t.Errorf("%.60s: %v", source, err)
		}
	}
}

// TestInstructions proves that the estimate for a pattern is never less than the size of its program.
func TestInstructions(t *testing.T) {
	for _, pattern := range []string{
		"", "a", "abc", "^abc$", "a|b|cd", "[a-z]+", "(a)(b)", "a*b+c?", "(?i)straße", "x{3}", "x{3,}", "x{0,7}", "(ab|cd){2,5}", "(?:\\pL?){50}z",
		"(x*)*", "(x?){0,10}", ".{10}", "\\bfoo\\b", "((a{2}){3}){4}", "()", "(|a)*", "(?:a{0}){5}", "(?s).*", "a{1,3}?", "(?:){9}", "[^\\n]{2,}",
	} {
		re, err := syntax.Parse(pattern, syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		prog, err := syntax.Compile(re.Simplify())
		if err != nil {
			t.Fatal(err)
		}
		if estimate, size := instructions(pattern), len(prog.Inst); estimate < size || estimate > 3*size+10 {
			t.Errorf("%q: the estimate is %d instructions, the program has %d", pattern, estimate, size)
		}
	}
	if n := instructions("("); n != 0 {
		t.Error(fmt.Sprint(n, " instructions for an invalid pattern"))
	}
}
