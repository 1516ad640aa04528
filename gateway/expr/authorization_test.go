package expr

import (
	"encoding/json"
	"strings"
	"testing"

	"eventgateway/gateway/event"
)

// TestAuthorization proves which events a client may see, whether an index finds them, and which conditions are refused.
func TestAuthorization(t *testing.T) {
	ev := &event.Event{Channel: "orders", Data: []byte(`{"order":{"customer_id":7,"name":"Ada","region":"eu"}}`)}
	claims := map[string]any{"sub": "7", "id": 7.0, "name": "Ada", "org": map[string]any{"regions": []any{"eu", "us"}, "id": "x"}, "admin": true}
	for source, want := range map[string]struct{ indexed, may bool }{
		"order.customer_id == claims.sub":                {true, true}, // as text
		"claims.id == order.customer_id":                 {true, true},
		"order.name == claims.sub":                       {true, false},
		"event.channel == claims.org.id":                 {false, false},
		"order.region in claims.org.regions":             {true, true},
		"order.customer_id == claims.id && claims.admin": {true, true},
		"claims.admin or order.name == claims.name":      {false, true},
		"order.customer_id > claims.id":                  {false, false},
	} {
		var a Authorization
		if err := a.UnmarshalText([]byte(source)); err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		var x Evaluator
		c, complete := a.For(claims)
		if !complete {
			t.Errorf("%s: a claim is missing", source)
			continue
		}
		may, err := x.True(c, ev)
		if err != nil {
			t.Errorf("%s: %v", source, err)
		}
		if indexed := len(c.Terms()) > 0; indexed != want.indexed || may != want.may {
			t.Errorf("%s: indexed %v, may %v", source, indexed, may)
		}
	}
	for _, source := range []string{`claims.role == "x" || order.missing == claims.none`, "order.missing not in claims.none", "order.missing == claims?.none && true", "order.missing == claims.missing"} {
		var a Authorization
		if err := a.UnmarshalText([]byte(source)); err != nil {
			t.Errorf("%s: %v", source, err)
		}
		if _, complete := a.For(map[string]any{"role": "x"}); complete {
			t.Errorf("%s: complete %v", source, complete)
		}
	}
	for source, want := range map[string]string{"order.id == 7": "nothing about claims", "order.id ==": "unexpected", "claims.sub + 1": "true or false", "": "empty"} {
		var a Authorization
		if err := a.UnmarshalText([]byte(source)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", source, err)
		}
	}
}

// TestRequiredClaims proves that a client must have the claims that a rule names, unless the rule handles a missing
// claim.
func TestRequiredClaims(t *testing.T) {
	claims := map[string]any{"sub": "7", "empty": "", "null": nil, "org": map[string]any{"id": 1.0}}
	for source, want := range map[string]bool{
		"a == claims.sub && true": true, "a in claims.missing": false, "a == claims.empty && true": false, "a == claims.null && true": false, "a == claims.org.id && true": true, "a == claims.org.name && true": false, `a == claims["missing"] && true`: false,
		"claims.missing == nil || a == claims.sub": true, "nil != claims?.missing || a == claims.sub": true, "(claims.missing ?? 3) > a": true, "coalesce(claims.missing, claims.empty, a) == 7": true, `get(claims, "admin") || a == claims.sub`: true,
		"let m = claims.missing; m == nil": true, "let m = claims.missing; m == a": false, "any(claims.missing, # == a)": false, "claims.missing == nil || a == claims.missing": false, "(claims.missing == 1) == nil": false, "a == claims.org.missing?.id && true": false,
	} {
		var a Authorization
		if err := a.UnmarshalText([]byte(source)); err != nil {
			t.Error(err)
			continue
		}
		if _, complete := a.For(claims); complete != want {
			t.Errorf("%s: complete %t", source, complete)
		}
	}
}

// TestReadClaims proves that ReadClaims returns the claims that a rule reads, and no others.
func TestReadClaims(t *testing.T) {
	claims := map[string]any{"sub": "7", "jti": "x", "org": map[string]any{"id": json.Number("1"), "name": "o"}}
	for source, want := range map[string]string{
		"a == claims.sub && true":                  `{"[\"sub\"]":[1,"7"]}`,
		`a == claims["sub"] || b == claims.org.id`: `{"[\"org\",\"id\"]":[2,1],"[\"sub\"]":[1,"7"]}`,
		`get(claims, "admin") || a == claims.sub`:  `{"[\"sub\"]":[1,"7"]}`,
		`get(claims.org, b) == 1`:                  `{"[\"org\"]":[1,{"id":1,"name":"o"}]}`,
		"let o = claims.org; a == o.id":            `{"[\"org\"]":[1,{"id":1,"name":"o"}]}`,
		"a == claims.org[b]":                       `{"[\"org\"]":[1,{"id":1,"name":"o"}]}`,
		"claims.sub.x?.y == nil || a == 1":         `{"[\"sub\",\"x\",\"y\"]":[1,"7"]}`,
		"claims?.org?.none == nil || a == 1":       `{"[\"org\",\"none\"]":[1,{}]}`,
		"claims?.none == nil || a == 1":            `{}`,
		"a == claims[b]":                           `{"jti":"x","org":{"id":1,"name":"o"},"sub":"7"}`,
		"let c = claims; a == c.sub":               `{"jti":"x","org":{"id":1,"name":"o"},"sub":"7"}`,
		`get(claims, b) == 1`:                      `{"jti":"x","org":{"id":1,"name":"o"},"sub":"7"}`,
		`get(claims, "sub") == a && "x" in claims`: `{"jti":"x","org":{"id":1,"name":"o"},"sub":"7"}`,
	} {
		var a Authorization
		if err := a.UnmarshalText([]byte(source)); err != nil {
			t.Error(err)
			continue
		}
		if text, err := a.ReadClaims(claims); text != want || err != nil {
			t.Errorf("%s reads %s, %v; want %s", source, text, err, want)
		}
	}
}

// TestReadClaimsDistinguishesRights proves that claims with which a rule has different results are read as different ones:
// clients share a topic if they have read equal claims.
func TestReadClaimsDistinguishesRights(t *testing.T) {
	ev := &event.Event{Data: []byte(`{"o":{"public":true,"team":"x"}}`)}
	all := []string{`{}`, `{"a":null}`, `{"a":""}`, `{"a":{}}`, `{"a":"t"}`, `{"a":[]}`, `{"a":{"b":null}}`, `{"a":{"b":{}}}`, `{"a":{"b":[]}}`, `{"a":{"b":{"c":null}}}`, `{"a":{"b":{"c":{}}}}`, `{"a":{"b":"x"}}`}
	for _, rule := range []string{
		"claims.a.b == nil && o.public", "claims.a?.b == nil && o.public", `(claims.a.b ?? "x") == o.team`, `get(claims.a, "b") == nil && o.public`,
		"claims.a.b.c == nil && o.public", "claims.a.b?.c == nil && o.public", "claims.a == nil && claims.a?.b == nil && o.public",
	} {
		a := ruleFrom(t, rule)
		may, by := map[string]bool{}, map[string]string{}
		for _, text := range all {
			claims := claimsFrom(t, text)
			c, complete := a.For(claims)
			if !complete {
				continue
			}
			read, err := a.ReadClaims(claims)
			if err != nil {
				t.Fatal(err)
			}
			var x Evaluator
			ok, _ := x.True(c, ev)
			if _, known := may[read]; known && may[read] != ok {
				t.Errorf("%s is %t with %s and %t with %s, and both are read as %s", rule, ok, text, may[read], by[read], read)
			}
			may[read], by[read] = ok, text
		}
	}
}

// TestCompileFilter proves that filters without loops and large values compile, and others are refused.
func TestCompileFilter(t *testing.T) {
	for _, source := range []string{`order.amount >= 100 && status in ["new", "paid"]`, `lower(name) startsWith "a" or name matches "^x+$"`, `len(items) > 3 ? a : b ?? false`, `not (a.b.c == nil)`, `coalesce(a, "x") == "x"`} {
		if _, err := CompileFilter(source); err != nil {
			t.Errorf("%s: %v", source, err)
		}
	}
	for _, source := range []string{
		`len(reduce(1..40, #acc + #acc, "a")) > 0`, `let r = 1..400; all(r, all(r, # > 0))`, `any(items, # > 1)`, `now() > 1`, `now () > 1`, `uuid() == "x"`, `repeat("x", 9) == "x"`,
		`len(split(a, "")) > 1`, `replace(a, "a", "b") == "x"`, `join(a) == ""`, `len(1..1000000) > 0`, `a matches b`, `toJSON(a) == ""`, `a.b()`, `filter(items, .x)`, `hash(a) == "x"`,
	} {
		if _, err := CompileFilter(source); err == nil {
			t.Errorf("%s is accepted", source)
		}
	}
}
