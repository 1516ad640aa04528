package window

import (
	"math/big"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestNumbersAreExact compares sums, extremes and averages of random numbers with those of fractions.
func TestNumbersAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfN(rapid.StringMatching(`-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,2})?`), 1, 20).Draw(t, "numbers")
		var total number
		exact, least := new(big.Rat), (*big.Rat)(nil)
		low, avg := &extreme{sign: -1}, &sum{average: true}
		for _, text := range texts {
			n, err := parseNumber([]byte(text))
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			if err := low.add([]byte(text)); err != nil {
				t.Fatal(err)
			}
			if err := avg.add([]byte(text)); err != nil {
				t.Fatal(err)
			}
			value, _ := new(big.Rat).SetString(text)
			total = total.plus(n)
			exact.Add(exact, value)
			if least == nil || value.Cmp(least) < 0 {
				least = value
			}
		}
		written := string(total.appendTo(nil))
		if got, ok := new(big.Rat).SetString(written); !ok || got.Cmp(exact) != 0 || strings.HasPrefix(strings.TrimPrefix(written, "-"), "00") {
			t.Fatalf("the sum of %v is %s, want %s", texts, written, exact.FloatString(60))
		}
		if got, _ := new(big.Rat).SetString(string(low.raw)); got.Cmp(least) != 0 {
			t.Fatalf("the least of %v is %s", texts, low.raw)
		}
		mean, _ := exact.Quo(exact, big.NewRat(int64(len(texts)), 1)).Float64()
		got, err := avg.appendTo(nil)
		if f, ferr := strconv.ParseFloat(string(got), 64); err != nil || ferr != nil || f != mean {
			t.Fatalf("the average of %v is %s, want %v: %v", texts, got, mean, err)
		}
	})
}

// TestNumbersAreBounded proves that no number makes a sum with millions of digits.
func TestNumbersAreBounded(t *testing.T) {
	for _, text := range []string{"1e1001", "1e-1001", "1e99999999999999999999", strings.Repeat("9", 1001), "0." + strings.Repeat("1", 1001)} {
		if _, err := parseNumber([]byte(text)); err == nil {
			t.Errorf("%.50s is no error", text)
		}
	}
	s := &sum{}
	for _, text := range []string{"1e1000", "1e-1000", "-1e1000"} {
		if err := s.add([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := s.appendTo(nil); string(got) != "0."+strings.Repeat("0", 999)+"1" {
		t.Errorf("%.80s", got)
	}
}
