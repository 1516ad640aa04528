package rawjson

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// TestValidAgreesWithEncodingJSON proves that Valid accepts the same texts as encoding/json.
func TestValidAgreesWithEncodingJSON(t *testing.T) {
	for _, text := range []string{
		``, ` `, `null`, ` true `, `false`, `nul`, `truex`, `"a"`, `"a`, `"a\"`, `"\u00e9\n"`, `"\u00g0"`, `"\x"`, "\"a\x01\"", "\"\xff\"",
		`0`, `-0`, `01`, `1.`, `1.5e+3`, `1e`, `-`, `.5`, `1 2`, `{}`, `{ }`, `{"a":1}`, `{"a":1,}`, `{"a" : [1, 2 ,{}] }`, `{a:1}`, `{"a"}`,
		`[]`, `[1,]`, `[,]`, `[`, `{`, `}`, `{"a":1]`, `[1 2]`, `{"a":1 "b":2}`, `{"long enough for eight":"and \\ more than that"}`,
		strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000), strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001),
		strings.Repeat(`{"a":`, 10_001) + `1` + strings.Repeat("}", 10_001),
	} {
		if got, want := Valid([]byte(text)), json.Valid([]byte(text)); got != want {
			t.Errorf("Valid(%.40q) is %t", text, got)
		}
	}
	err := Check([]byte(`{"a":x}`))
	if err == nil || !strings.Contains(err.Error(), "not JSON") || !strings.Contains(err.Error(), "at byte 6") {
		t.Errorf("the error is %v", err)
	}
}

// TestFind proves that Find returns the last value of each name, and an error for text that is not JSON.
func TestFind(t *testing.T) {
	var tree Tree
	order := tree.Member(0, "order")
	id := tree.Member(order, "id")
	first := tree.Element(tree.Member(order, "tags"), 0)
	same := tree.Member(order, "id")
	if id != same || tree.Len() != 5 {
		t.Fatalf("the same value has the numbers %d and %d, of %d", id, same, tree.Len())
	}
	for text, want := range map[string][2]string{
		`{"order":{"id":7.50,"tags":["a","b"]}}`:        {`7.50`, `"a"`},
		`{"order":{"id":1},"order":{"tags":[{}]}}`:      {``, `{}`},
		`{"order":{"id":1,"id":2}}`:                     {`2`, ``},
		`{"\u006frder":{"i\u0064" : 3 }}`:               {`3`, ``},
		` { "x" : { "order" : 1 } , "order" : null } `:  {``, ``},
		`[{"order":1}]`:                                 {``, ``},
		`{"order":{"tags":[],"id":[1]},"order2":{}}`:    {`[1]`, ``},
		`{"order":{"id":1}, "order":{"id":2, "id":{}}}`: {`{}`, ``},
	} {
		spans := make([]Span, tree.Len())
		if err := tree.Find([]byte(text), spans); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		for i, id := range []int{id, first} {
			got := ""
			if spans[id].Found() {
				got = string(spans[id].Of([]byte(text)))
			}
			if got != want[i] {
				t.Errorf("%s: value %d is %q, want %q", text, id, got, want[i])
			}
		}
	}
	for _, text := range []string{``, `{"order":{"id":1}`, `{"order":{"id":1}}x`, `{"order":{"id":01}}`} {
		if err := tree.Find([]byte(text), make([]Span, tree.Len())); err == nil {
			t.Errorf("no error for %s", text)
		}
	}
}

func value(text string) Change {
	return Change{Create: true, Value: func(dst, _ []byte) ([]byte, error) { return append(dst, text...), nil }}
}

// changes reads "path=value", "-path" and "path>name".
func changes(list string) *Edit {
	e := &Edit{}
	for one := range strings.FieldsSeq(list) {
		if path, text, ok := strings.Cut(one, "="); ok {
			e.Add(MustPath(path), value(text))
		} else if path, name, ok := strings.Cut(one, ">"); ok {
			e.Add(MustPath(path), Change{Name: name})
		} else {
			e.Add(MustPath(strings.TrimPrefix(one, "-")), Change{Remove: true})
		}
	}
	return e
}

// TestEdit proves that an edit changes the named fields and keeps all other bytes.
func TestEdit(t *testing.T) {
	for _, c := range []struct{ edit, in, out string }{
		{``, ` {"a" : 1.50 ,"a":2 } `, ` {"a" : 1.50 ,"a":2 } `},
		{`-b`, `{"a":1, "b":2 , "c":3}`, `{"a":1, "c":3}`},
		{`-a`, `{"a":1, "b":2}`, `{ "b":2}`},
		{`-a -b`, `{"a":1, "b":2 }`, `{ }`},
		{`-a -c`, `{"a":1,"b":2,"c":3,"d":4}`, `{"b":2,"d":4}`},
		{`-b -c`, `{"a":1 ,"b":2,"c":3,"d":4}`, `{"a":1,"d":4}`},
		{`-a.b`, `{"a":{"b":1,"c":2},"b":3}`, `{"a":{"c":2},"b":3}`},
		{`-a.*.b`, `{"a":[{"b":1},{"b":2,"c":3},4]}`, `{"a":[{},{"c":3},4]}`},
		{`-a.1`, `{"a":[1, 2, 3]}`, `{"a":[1, 3]}`},
		{`-a.0 -a.2`, `{"a":[1,2,3]}`, `{"a":[2]}`},
		{`-a.*`, `{"a":[1,2,3],"b":{}}`, `{"a":[],"b":{}}`},
		{`-*`, `{"a":1,"b":2}`, `{}`},
		{`-a`, `[{"a":1}]`, `[{"a":1}]`},
		{`-a`, `1`, `1`},
		{`a=1`, `{}`, `{"a":1}`},
		{`a=1`, `{ }`, `{"a":1 }`},
		{`a=1`, `{"b":2 }`, `{"b":2,"a":1 }`},
		{`a=9`, `{"a":1.0,"b":2,"a":3}`, `{"a":9,"b":2,"a":9}`},
		{`a.b.c=9`, `{}`, `{"a":{"b":{"c":9}}}`},
		{`a.b=8 a.c=9`, `{"a":null}`, `{"a":{"b":8,"c":9}}`},
		{`a.b=9 d=7`, `{"a":{"x":1},"c":2}`, `{"a":{"x":1,"b":9},"c":2,"d":7}`},
		{`a=1 -b`, `{"c":3,"b":2}`, `{"c":3,"a":1}`},
		{`a=1 -b`, `{"b":2}`, `{"a":1}`},
		{`a>z`, `{"a" : 1,"b":2,"a":3}`, `{"z" : 1,"b":2,"z":3}`},
		{`l.0>z`, `{"l":[{"x":1}]}`, `{"l":[{"x":1}]}`},
		{`-a *=9`, `{"a":1,"b":2}`, `{"b":9}`},
		{`*=9 -a`, `{"a":1,"b":2}`, `{"b":9}`},
		{`a>z a.b>y`, `{"a":{"b":1}}`, `{"z":{"y":1}}`},
		{`a\.b=1`, `{"a":{"b":2}}`, `{"a":{"b":2},"a.b":1}`},
		{`a=1`, "{\"\\u0061\":\"\xff\"}", `{"\u0061":1}`},
	} {
		got, err := changes(c.edit).Apply([]byte(c.in), 0)
		if err != nil || string(got) != c.out {
			t.Errorf("%s of %s is %s, %v; want %s", c.edit, c.in, got, err, c.out)
		}
	}
	for _, c := range []struct{ edit, in, err string }{
		{`a.b=1`, `{"a":5}`, "a is a number"},
		{`a=1`, `[]`, "the payload is a list"},
		{`a=1`, `{"a":`, "not JSON"},
		{`-a`, `{"a":01}`, "not JSON"},
		{`-b`, `{"a":1}}`, "not JSON"},
	} {
		if got, err := changes(c.edit).Apply([]byte(c.in), 9); err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s of %s: %s, %v; want %q", c.edit, c.in, got, err, c.err)
		}
	}
}

func TestPaths(t *testing.T) {
	if p := MustPath(`a\.b.c\\.*`); !reflect.DeepEqual(p.Steps(), []string{"a.b", `c\`, "*"}) || !p.HasWildcard() {
		t.Errorf("steps %q", p.Steps())
	}
	if p := MustPath(`\$.a\[0\]`); !reflect.DeepEqual(p.Steps(), []string{"$", "a[0]"}) {
		t.Errorf("steps %q", p.Steps())
	}
	for _, text := range []string{"", ".a", "a.", "a..b", `a\b`, "a[0].b", "$.a", "a.**.b", "a]"} {
		var p Path
		if err := p.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("no error for %q", text)
		}
	}
}

func TestText(t *testing.T) {
	for _, text := range []string{"", "plain", "é", `quo"te\`, "\n\x01<&>", "\xff\xfe", "😀"} {
		quoted := AppendText(nil, text)
		var want string
		if err := json.Unmarshal(quoted, &want); err != nil {
			t.Errorf("%q: %v", quoted, err)
		}
		if got := Text(quoted); got != want || strings.ToValidUTF8(text, "") != strings.ReplaceAll(got, "\ufffd", "") {
			t.Errorf("%q came back as %q", text, got)
		}
	}
}

// FuzzScan compares Valid, Find and Apply with encoding/json for any bytes.
func FuzzScan(f *testing.F) {
	for _, text := range []string{`{"a":[1,{"b":null}],"a":"\u00e9"}`, `[1.5e3, true]`, `{"a" : {"b":1} , "c":2}`, "\"\xff\"", `{"a":1`} {
		f.Add([]byte(text))
	}
	var tree Tree
	a := tree.Member(0, "a")
	b, first := tree.Member(a, "b"), tree.Element(a, 0)
	f.Fuzz(func(t *testing.T, text []byte) {
		valid := json.Valid(text)
		if Valid(text) != valid {
			t.Fatalf("Valid is %t", !valid)
		}
		spans := make([]Span, tree.Len())
		if err := tree.Find(text, spans); (err == nil) != valid {
			t.Fatalf("Find: %v", err)
		}
		same, err := changes("-nothing -a.nothing.*").Apply(text, 9)
		if (err == nil) != valid || valid && (!bytes.Equal(same, text) || len(same) > 0 && &same[0] != &text[0]) {
			t.Fatalf("an edit without effect: %q, %v", same, err)
		}
		if !valid {
			return
		}
		var doc any
		if err := json.Unmarshal(text, &doc); err != nil {
			return // a number that is too large
		}
		top, _ := doc.(map[string]any)
		compare(t, text, spans[a], top["a"])
		inner, _ := top["a"].(map[string]any)
		compare(t, text, spans[b], inner["b"])
		if list, _ := top["a"].([]any); len(list) > 0 {
			compare(t, text, spans[first], list[0])
		} else if spans[first].Found() {
			t.Error("an element was found where there is none")
		}
		if top == nil {
			return
		}
		edited, err := changes("-a b=[7] c.d=1").Apply(text, 9)
		switch top["c"].(type) {
		case nil, map[string]any:
		case []any: // holds no member d
			return
		default:
			if err == nil {
				t.Error("a member was set in a scalar")
			}
			return
		}
		var got any
		if err != nil || json.Unmarshal(edited, &got) != nil {
			t.Fatalf("%q, %v", edited, err)
		}
		delete(top, "a")
		top["b"] = []any{7.0}
		if c, _ := top["c"].(map[string]any); c != nil {
			c["d"] = 1.0
		} else {
			top["c"] = map[string]any{"d": 1.0}
		}
		if !reflect.DeepEqual(got, doc) {
			t.Errorf("%q became %q", text, edited)
		}
	})
}

func compare(t *testing.T, text []byte, s Span, want any) {
	t.Helper()
	var got any
	if s.Found() {
		if err := json.Unmarshal(s.Of(text), &got); err != nil {
			t.Fatalf("%q: %v", s.Of(text), err)
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("found %#v, want %#v", got, want)
	}
}

func BenchmarkValid(b *testing.B) {
	text := []byte(`{"operation":"INSERT","timestamp":"2024-01-02T03:04:05.678901+00:00","order":{"id":12345,"customer_name":"Ada Lovelace","product":"Analytical Engine","amount":1234.50,"status":"pending","created_at":"2024-01-02T03:04:05.678901+00:00","updated_at":"2024-01-02T03:04:05.678901+00:00","note":"left at the door, as asked for","items":[1,2,3]}}`)
	b.Run("rawjson", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			Valid(text)
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			json.Valid(text)
		}
	})
}
