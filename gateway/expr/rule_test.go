package expr

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"eventgateway/gateway/event"
)

// claimsFrom decodes the claims of a token.
func claimsFrom(t rapid.TB, text string) map[string]any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.UseNumber()
	var claims map[string]any
	if err := dec.Decode(&claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func ruleFrom(t rapid.TB, source string) Authorization {
	t.Helper()
	var a Authorization
	if err := a.UnmarshalText([]byte(source)); err != nil {
		t.Fatal(err)
	}
	return a
}

// evaluateRule returns the result of a rule. It does not require that the client has the claims that the rule names.
func evaluateRule(a Authorization, claims map[string]any, payload string) string {
	var s ruleState
	s.reset(a.rule, goValue(claims, true), &event.Event{ID: "e1", Channel: "orders", Attrs: []event.Attr{{Name: "kind", Value: "x"}}, Data: []byte(payload)})
	switch v := a.rule.root.value(&s); {
	case v.is(true):
		return "true"
	case v.is(false):
		return "false"
	}
	return "unknown"
}

const (
	ruleClaims = `{"id":7,"sub":"7","name":"Ada","big":9007199254740993,"admin":true,"none":null,"empty":"","scope":"read write",
		"ids":[7,8.0],"mixed":["a",7],"holes":[7,null],"orgs":[{"n":1,"owners":[5]},{"n":7,"owners":[7]}],"map":{"eu":1,"us":null},"open":[],"level":3}`
	rulePayload = `{"id":7,"float":7.0,"exp":70e-1,"text":"7","name":"Ada","yes":true,"no":false,"nothing":null,"list":[7,"a"],"holes":[null,9],"object":{"a":1,"b":null},
		"big":9007199254740993,"near":9007199254740992,"huge":1e400,"deep":{"a":{"b":[{"c":7}]}},"zero":-0,"email":"ada@shop.example","bad":"\ud800","region":"eu","empty":""}`
)

// TestThreeValues proves the results of rules for one event and one client.
func TestThreeValues(t *testing.T) {
	claims := claimsFrom(t, ruleClaims)
	for want, sources := range map[string][]string{
		"true": {
			// Numbers are equal however they are written and wherever they stand.
			"id == claims.id && true", "float == claims.id && true", "exp == claims.id && true", "id in claims.ids", "id in claims.holes", "big == claims.big && true", "near != claims.big",
			"near < claims.big", "huge > claims.big", "zero < claims.id", "any(claims.orgs, id in .owners)", "deep.a.b[0].c == claims.orgs[1].n && true", "deep.a.b[-1].c == claims.orgs[-1].n && true", "id in claims.mixed",
			"id not in claims.open", "9 not in claims.ids", "claims.id in list", `"a" in claims.mixed`,
			// Texts.
			`name == claims.name && true`, "text == claims.sub && true", "string(float) == claims.sub && true", "int(text) == claims.id && true", "float(claims.sub) == id && true", `email endsWith "@shop.example" && claims.admin`,
			`lower(name) == lower(claims.name)`, `"read" in split(claims.scope, " ")`, `email matches "^ada@" && claims.admin`, `hash(claims.name) == hash(name)`, `len(claims.name) == 3`, `claims.name < "B"`,
			`empty == "" && claims.admin`,
			// Rules that handle missing values.
			"nothing == nil && claims.admin", "missing == nil && claims.admin", "claims.none == nil", "claims.missing == nil", "claims.empty == nil", "id != nil && claims.admin", "(nothing ?? 7) == claims.id", "coalesce(missing, nothing, id) == claims.id",
			"(claims.missing ?? claims.sub) == text", `get(claims, "missing") == nil`, "missing?.a.b == nil && claims.admin", "deep?.a.b[0]?.c == claims.id && true", "nil == nothing && claims.admin",
			// Logic.
			"claims.admin || missing == 1", "missing == 1 || claims.admin", "claims.admin", "not no && claims.admin", "missing ? claims.admin : yes", "yes ? claims.admin : missing", "!(no && missing == 1) && claims.admin",
			"any(list, # == claims.id)", "all(claims.ids, # >= 7)", "none(claims.ids, # == 9)", "all(claims.open, # == 1)", "let mine = id == claims.id; mine && yes", "let ids = claims.ids; any(list, # in ids)",
			"let seven = any(claims.ids, # == 7); any(list, seven && # == 7)", "any(claims.orgs, let n = .n; any(.owners, # == n && n == id))", `"eu" in claims.map`, "region in claims.map", `"xx" not in claims.map`,
			"event.attrs.kind == \"x\" && claims.admin", `event.channel in ["orders", claims.name]`, `id in [claims.missing, claims.id]`, "first(claims.ids) == id && true", "1 < claims.id < 8", "!missing || claims.admin", `if yes { claims.admin } else { false }`,
		},
		"false": {
			"id != claims.id", "id in claims.ids && no", "near == claims.big && true", "huge == claims.big && true", "9 in claims.ids", "claims.admin && no", "no && missing == claims.id", "missing == claims.id && no", "id in claims.open",
			"nothing != nil || !claims.admin", "claims.id == nil", "any(claims.ids, # == 9)", "none(claims.ids, # == 7)", "missing ? no : !claims.admin", `"xx" in claims.map`, "id not in claims.ids", "!(id in claims.mixed)", "!(yes || missing == claims.id)",
		},
		"unknown": {
			// A missing value or null equals no value, and not itself.
			"missing == claims.missing", "missing == claims.missing && true", "missing != claims.id", "!(missing == claims.id)", "nothing == claims.none && true", "nothing != claims.none", "missing in claims.ids", "missing not in claims.ids", "nothing in claims.holes",
			`get(claims, "missing") == missing`, `!(get(claims, "missing") == id)`, "claims.empty == empty && true", "claims.missing", "!claims.missing", "missing && claims.admin", "!missing && claims.admin",
			// Lists with members that are missing, or cannot be compared.
			"9 in claims.holes", "9 not in claims.holes", "9 in claims.mixed", "9 not in claims.mixed", "claims.id in holes", "claims.id not in holes", "text in claims.ids", "text not in claims.ids", `"us" in claims.map`, `"us" not in claims.map`, "id in claims.map",
			`any(holes, # == claims.id)`, "none(holes, # == claims.id)", "all(holes, # > claims.id)", "id in claims.missing", "id not in claims.missing", "any(claims.missing, # == id)", "none(claims.missing, # == id)", "all(claims.missing, # == id)", "all(claims.admin, # == id)",
			"id in [claims.missing, 8]", "id not in [claims.missing, 8]",
			// Kinds that do not fit.
			"text == claims.id && true", "text != claims.id", "id != claims.sub", "id == claims.sub && true", "yes == claims.id && true", "yes != claims.id", "list == claims.ids && true", "list != claims.ids", "object != claims.map", "object == claims.map && true", "text < claims.id", "!(text < claims.id)",
			"yes < claims.admin", "id contains claims.sub", "!(id contains claims.sub)", "nothing startsWith claims.sub", `!(missing matches "x") && claims.admin`, "!(id endsWith claims.name)", "len(missing) < claims.id", "!(len(id) < claims.id)", "lower(id) == claims.sub && true", "id && claims.admin", "!id && claims.admin",
			"int(name) != claims.id", "float(name) != claims.id", "string(list) != claims.name", "bad != claims.name", "!(bad in [claims.name])", "hash(missing) != claims.name",
			// Errors: members of values that have none, missing elements.
			"missing.a == claims.id && true", "missing.a == nil && claims.admin", "!(missing.a.b == claims.id)", "id.a == nil && claims.admin", "list[5] == nil && claims.admin", "list.a != claims.id", "deep.a.b.c != claims.id", "nothing.a == nil && claims.admin", "(missing.a ?? 7) == claims.id", "claims.id.a == nil", "list[claims.sub] == 7", "object[claims.id] == nil",
			// Logic.
			"missing == 1 || !claims.admin", "claims.admin && missing == 1", "missing ? claims.admin : no", "missing == claims.id ? 1 == 1 : 1 == 2",
		},
	} {
		for _, source := range sources {
			var a Authorization
			if err := a.UnmarshalText([]byte(source)); err != nil {
				t.Error(err)
				continue
			}
			if got := evaluateRule(a, claims, rulePayload); got != want {
				t.Errorf("%s is %s, want %s", source, got, want)
			}
		}
	}
	for _, payload := range []string{"", "no json", "[]", "7", `"text"`, "null", `{"id":07}`, `{"id":7`, `{"id":+7}`, `{"id":NaN}`, "\ufeff{\"id\":7}"} {
		for _, source := range []string{"id == claims.id", "id != claims.id", "!(id in claims.ids)", "id not in claims.open", "id == nil && claims.admin", "id != nil && claims.admin", "payload.id == nil && claims.admin"} {
			if got := evaluateRule(ruleFrom(t, source), claims, payload); got != "unknown" {
				t.Errorf("%s over %s is %s", source, payload, got)
			}
		}
	}
}

// TestRulesReadPayloadsAsJSONParse proves that rules use the value that JSON.parse gives for a name.
func TestRulesReadPayloadsAsJSONParse(t *testing.T) {
	claims := claimsFrom(t, `{"id":1,"x":"1"}`)
	for payload, want := range map[string]string{
		`{"id":2,"id":1}`: "true", `{"id":1,"id":2}`: "false", `{"id":1,"id":null}`: "unknown", `{"id":1,"\u0069d":2}`: "false", `{"\u0069\u0064":1}`: "true", `{"ID":1}`: "unknown", `{"id":2,"Id":1}`: "false", `{"İd":1}`: "unknown",
	} {
		for _, source := range []string{"id == claims.id && true", "id == claims.id", "payload.id == claims.id && true", `payload["id"] == claims.id && true`, `get(payload, "id") == claims.id && true`, "any([payload], .id == claims.id)"} {
			if got := evaluateRule(ruleFrom(t, source), claims, payload); got != want {
				t.Errorf("%s over %s is %s, want %s", source, payload, got, want)
			}
			if !strings.HasPrefix(source, "id") {
				continue
			}
			nested := "o." + source
			for _, outer := range []string{`{"o":{"id":3},"o":` + payload + `}`, `{"o":7,"\u006f":` + payload + `}`} {
				if got := evaluateRule(ruleFrom(t, nested), claims, outer); got != want {
					t.Errorf("%s over %s is %s, want %s", nested, outer, got, want)
				}
			}
		}
	}
	// In claims, too, the last member of a name counts.
	if got := evaluateRule(ruleFrom(t, "id in claims.ids"), claimsFrom(t, `{"ids":[1],"ids":[2]}`), `{"id":1}`); got != "false" {
		t.Errorf("a claim that stands twice: %s", got)
	}
	// Different characters that look alike are not equal.
	if got := evaluateRule(ruleFrom(t, "id == claims.x && true"), claimsFrom(t, `{"x":"\u00e9"}`), `{"id":"e\u0301"}`); got != "false" {
		t.Errorf("é in two ways: %s", got)
	}
}

// TestRefusedRules proves that expressions without a safe three-valued meaning are refused with a hint.
func TestRefusedRules(t *testing.T) {
	for source, want := range map[string]string{
		"count(claims.ids, # == id) == 0":       "at column 1: a rule cannot use count(): write any(), all() or none()",
		"len(filter(claims.ids, # == id)) == 0": "a rule cannot use filter(): write any(), all() or none()",
		"one(claims.ids, # == id)":              "write any()",
		"find(claims.ids, # == id) == nil":      "write any()",
		"id in map(claims.orgs, .id)":           "write any()",
		`type(claims.id) == "nil"`:              "write x == nil",
		"id + 1 == claims.id":                   "cannot compute by +: set a field by a transform on the route",
		"-id == claims.id":                      "cannot compute by -",
		"id in 1..9 && claims.admin":            "write x >= 1 && x <= 9",
		"name matches claims.pattern":           "the pattern of a rule stands in the rule",
		"now() > date(claims.until)":            "cannot use now(): set a field",
		"event.time > claims.until":             "cannot compare times",
		"id == null && claims.admin":            "null is written nil",
		"id in [nil, claims.id]":                "a comparison with nil is always unknown here",
		"claims.id == (true ? nil : id)":        "a comparison with nil is always unknown here",
		"let x = nil; claims.id == x":           "a comparison with nil is always unknown here",
		"let claims = {}; claims.id == id":      "claims is a reserved name",
		"[id] == claims.ids":                    "write in, any() or all()",
		"claims.ids[0:1] == list":               "a rule cannot use this",
		`claims.id == {"a": 1}`:                 "a rule cannot use this",
		`toJSON(claims) contains "x"`:           "cannot use toJSON()",
		"uuid() == claims.id":                   "cannot use uuid()",
		`trim(name, "x") == claims.name`:        "cannot use trim() with 2 arguments",
		"any(claims.ids, #index == id)":         "#index",
		"event.attrs == claims.attrs":           "event.attrs.NAME",
		"let unused = claims.id; id == 7":       "nothing about claims",
	} {
		var a Authorization
		err := a.UnmarshalText([]byte(source))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", source, err, want)
		}
	}
	doubling := "let a0 = claims.id == id; "
	for i := range 12 {
		doubling += strings.NewReplacer("N", string(rune('a'+i+1)), "O", string(rune('a'+i))).Replace("let N0 = O0 && O0; ")
	}
	var a Authorization
	if err := a.UnmarshalText([]byte(doubling + "m0")); err == nil || !strings.Contains(err.Error(), "2000 parts at most") {
		t.Errorf("variables that double: %v", err)
	}
}

// TestRulesDoNotAllocate proves that an evaluation of a rule over fields and claims does not allocate.
func TestRulesDoNotAllocate(t *testing.T) {
	claims := claimsFrom(t, ruleClaims)
	ev := &event.Event{ID: "e1", Data: []byte(rulePayload)}
	var x Evaluator
	for _, source := range []string{"id == claims.id", "float == claims.sub", "!(id in claims.ids)", "deep.a.b[0].c == claims.id && claims.admin", "any(claims.orgs, id in .owners)", `name == claims.name || email endsWith "x"`, "id in [7, claims.level]"} {
		a := ruleFrom(t, source)
		c, complete := a.For(claims)
		if !complete {
			t.Fatal(source, complete)
		}
		if n := testing.AllocsPerRun(100, func() {
			if _, err := x.True(c, ev); err != nil {
				t.Error(err)
			}
		}); n > 0 {
			t.Errorf("%s: %v allocations for each event", source, n)
		}
	}
}
