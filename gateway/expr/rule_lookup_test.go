package expr

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"eventgateway/gateway/event"
)

// TestNumbersAreExact proves that comparisons and normal forms of numbers agree with math/big.
func TestNumbersAreExact(t *testing.T) {
	digits := rapid.StringMatching(`-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,8})?([eE][+-]?[0-9]{1,2})?`)
	near := rapid.SampledFrom([]string{"7", "7.0", "70e-1", "0.7E1", "-0", "0", "0e99", "0.0", "9007199254740993", "9007199254740992", "9007199254740993.0", "1e400", "10e399", "1e-400", "100", "1e2", "0.01", "1E-2", "-7", "-7.00", "18446744073709551617"})
	number := rapid.OneOf(digits, near)
	rapid.Check(t, func(t *rapid.T) {
		a, b := number.Draw(t, "a"), number.Draw(t, "b")
		x, _ := new(big.Rat).SetString(a)
		y, _ := new(big.Rat).SetString(b)
		order, ok := compareNumbers([]byte(a), []byte(b))
		if !ok || order != x.Cmp(y) {
			t.Fatalf("%s and %s: %d, %t", a, b, order, ok)
		}
		ka, _ := appendNumber(nil, []byte(a))
		kb, _ := appendNumber(nil, []byte(b))
		if bytes.Equal(ka, kb) != (order == 0) {
			t.Fatalf("%s is written %s, and %s %s", a, ka, b, kb)
		}
		if back, ok := new(big.Rat).SetString(string(ka)); !ok || back.Cmp(x) != 0 || !json.Valid(ka) {
			t.Fatalf("%s is written %s", a, ka)
		}
	})
	for _, text := range []string{"", "-", "+7", "07", "-01", "7.", ".7", "7e", "7e+", "0x7", "7 ", "NaN", "Infinity", "1e1000001", "1e99999999999999999999", "1e-1000001", "७", "1_000"} {
		if _, ok := compareNumbers([]byte(text), []byte(text)); ok {
			t.Errorf("%q is a number", text)
		}
		if _, ok := appendNumber(nil, []byte(text)); ok {
			t.Errorf("%q is written", text)
		}
	}
}

// lookedUp generates JSON values for which a lookup and an evaluation must agree.
var lookedUp = rapid.OneOf(
	rapid.SampledFrom([]string{
		`7`, `7.0`, `70e-1`, `-0`, `0`, `0.0`, `9007199254740993`, `9007199254740992`, `18446744073709551617`, `1e400`, `10e399`, `1e2000000`, `1.5`, `1.50`, `100`, `1e2`,
		`"7"`, `"7.0"`, `"07"`, `" 7"`, `"-0"`, `"0"`, `"1.5"`, `"1e2"`, `"100"`, `"9007199254740993"`, `"NaN"`, `"1e400"`, `"\u0037"`, `"７"`, `""`, `"true"`, `"null"`, `"é"`, `"e\u0301"`, `"\u00e9"`, `"A"`, `"a"`,
		`"\ud800"`, `"\ud801"`, `"\ufffd"`, "\"\xff\"", `"\u0000"`, `"ÿtrue"`, "\"\xfftrue\"", `true`, `false`, `null`, `[]`, `[7]`, `["7"]`, `{}`, `{"a":7}`, `[null]`,
	}),
	rapid.StringMatching(`"[0-9.eE+-]{0,4}"`), rapid.StringMatching(`-?[1-9][0-9]{0,3}(\.[0-9]{1,2})?(e[0-2])?`),
)

// reference is a second implementation of an equality with one claim, written from the documentation.
func reference(payload, claim string) bool {
	var sides [2]any
	for i, text := range []string{payload, claim} {
		dec := json.NewDecoder(strings.NewReader(text))
		dec.UseNumber()
		if dec.Decode(&sides[i]) != nil {
			return false
		}
	}
	p, c := sides[0], sides[1]
	written := func(v any) (string, bool) {
		switch t := v.(type) {
		case string:
			return t, t != "" && !strings.ContainsRune(t, '\ufffd')
		case json.Number:
			text, ok := appendNumber(nil, []byte(t))
			return string(text), ok
		}
		return "", false
	}
	if x, ok := p.(bool); ok {
		y, ok := c.(bool)
		return ok && x == y
	}
	x, ok := written(p)
	y, also := written(c)
	return ok && also && x == y
}

// TestEqualityWithClaim proves that an equality with one claim gives the result of the reference, and that the key of
// the claim finds each event for which it is true. In a larger rule the result is the same, except that a text does not
// equal a number there.
func TestEqualityWithClaim(t *testing.T) {
	granted, denied := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		p, c := lookedUp.Draw(t, "payload"), lookedUp.Draw(t, "claim")
		if rapid.Bool().Draw(t, "same") {
			c = p
		}
		form := rapid.SampledFrom([]struct{ rule, payload string }{
			{"order.id == claims.c", `{"order":{"id":%s}}`},
			{"claims.c == order.id", ` { "order" : { "id" : %s } } `},
			{"order?.id == claims.c", `{"order":{"id":{"id":1},"id":%s}}`},
			{"order.id == claims.c", `{"order":{"id":%s,"Id":7,"ID":"7"},"Order":{"id":7}}`},
			{"order.id == claims.c", `{"order":7,"\u006frder":{"\u0069d":%s}}`},
			{"order.ids[1] == claims.c", `{"order":{"ids":[7,%s]}}`},
			{"payload[0] == claims.c", `[%s]`},
			{`get(order, "id") == claims.c`, `{"order":{"id":%s}}`},
			{"(order.none ?? order.id) == claims.c", `{"order":{"id":%s}}`},
			{"order.other == claims.c", `{"order":{"id":%s}}`},
		}).Draw(t, "form")
		ev := &event.Event{Data: fmt.Appendf(nil, form.payload, p)}
		var claims map[string]any
		dec := json.NewDecoder(strings.NewReader(`{"c":` + c + `}`))
		dec.UseNumber()
		if err := dec.Decode(&claims); err != nil {
			t.Fatal(err)
		}
		a, larger := ruleFrom(t, form.rule), ruleFrom(t, form.rule+" && true")
		var x Evaluator
		may := func(a Authorization) bool {
			condition, complete := a.For(claims)
			if !complete {
				return false
			}
			ok, err := x.True(condition, ev)
			return ok && err == nil
		}
		want := reference(p, c) && !strings.Contains(form.rule, "other")
		if got := may(a); got != want {
			t.Fatalf("%s over %s with %s is %t, want %t", form.rule, ev.Data, c, got, want)
		}
		if condition, complete := a.For(claims); complete && want {
			checkTerms(t, condition, ev.Data)
		}
		sameKind := (p[0] == '"') == (c[0] == '"')
		if within := may(larger); within != (want && sameKind) {
			t.Fatalf("%s within a larger rule over %s with %s is %t", form.rule, ev.Data, c, within)
		}
		if want {
			granted++
		} else {
			denied++
		}
	})
	if granted == 0 || denied == 0 {
		t.Errorf("%d granted, %d denied: the generators no longer give both", granted, denied)
	}
}
