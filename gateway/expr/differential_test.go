package expr

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	exprlang "github.com/expr-lang/expr"
	"pgregory.net/rapid"

	"eventgateway/gateway/event"
)

var (
	fixedClock = func() time.Time { return time.Unix(1700000000, 0).UTC() }
	fixedID    = func() string { return "id" }
)

// full evaluates source with the language itself, over a decoded payload.
func full(source string, ev *event.Event) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader(ev.Data))
	dec.UseNumber()
	var doc any
	if err := dec.Decode(&doc); err != nil {
		return nil, err
	}
	doc = numbers(doc)
	env := map[string]any{}
	if top, ok := doc.(map[string]any); ok {
		for name, v := range top {
			env[name] = v
		}
	}
	env["payload"] = doc
	env["event"] = readEvent(ev, nil)
	env["now"] = func(...any) any { return fixedClock() }
	env["uuid"] = func(...any) any { return fixedID() }
	code, err := exprlang.Compile(source, language...)
	if err != nil {
		return nil, err
	}
	return exprlang.Run(code, env)
}

// lazy evaluates source twice with this package, and returns an error if the results differ.
func lazy(source string, ev *event.Event) (v any, compiled bool, err error) {
	e, err := Compile(source)
	if err != nil {
		return nil, false, err
	}
	x := NewEvaluator(fixedClock, fixedID)
	if v, err = x.Value(e, ev); err != nil {
		return nil, true, err
	}
	second, err := x.Value(e, ev) // with used buffers
	if err != nil || !equal(v, second) {
		return nil, true, fmt.Errorf("the second time it is %#v, %w", second, err)
	}
	return v, true, nil
}

// equal is reflect.DeepEqual, except that NaN equals NaN, and functions are compared by type.
func equal(a, b any) bool {
	if f, ok := a.(float64); ok && math.IsNaN(f) {
		g, ok := b.(float64)
		return ok && math.IsNaN(g)
	}
	return reflect.DeepEqual(a, b) || fmt.Sprintf("%T%v", a, a) == fmt.Sprintf("%T%v", b, b) ||
		reflect.TypeOf(a) == reflect.TypeOf(b) && reflect.ValueOf(a).Kind() == reflect.Func
}

// documents generates JSON texts, with white space, duplicate keys and escapes.
func documents(depth int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		kind := rapid.IntRange(0, 7).Draw(t, "kind")
		if depth == 0 {
			kind = min(kind, 5)
		}
		space := rapid.SampledFrom([]string{"", "", " ", "\n\t"}).Draw(t, "space")
		switch kind {
		case 0:
			return rapid.SampledFrom([]string{"null", "true", "false"}).Draw(t, "word") + space
		case 1, 2:
			return rapid.SampledFrom([]string{"0", "-0", "7", "100.50", "-1e3", "9007199254740993", "123456789012345678901234567890", "1e999"}).Draw(t, "number") + space
		case 3, 4, 5:
			return rapid.SampledFrom([]string{`""`, `"a"`, `"INSERT"`, `"\u0061\n"`, `"é\ud83d\ude00"`, `"\ud800"`, "\"\xff\""}).Draw(t, "text") + space
		case 6:
			items := rapid.SliceOfN(documents(depth-1), 0, 3).Draw(t, "items")
			return "[" + space + strings.Join(items, ","+space) + "]"
		}
		var members []string
		for range rapid.IntRange(0, 4).Draw(t, "members") {
			name := rapid.SampledFrom([]string{`"a"`, `"b"`, `"id"`, `"\u0061"`, `"event"`, `"payload"`, `"é"`, `"c"`}).Draw(t, "name")
			members = append(members, space+name+space+":"+space+documents(depth-1).Draw(t, "value"))
		}
		return "{" + strings.Join(members, ",") + space + "}"
	})
}

// expressions generates sources that read documents.
func expressions(depth int, vars ...string) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		sub := func() string { return expressions(depth-1, vars...).Draw(t, "sub") }
		kind := rapid.IntRange(0, 16).Draw(t, "kind")
		if depth == 0 {
			kind = min(kind, 6)
		}
		switch kind {
		case 0, 1, 2, 3, 4:
			chain := rapid.SampledFrom(append([]string{"a", "b", "id", "payload", "event", "event.attrs", "event.channel", "missing", "é"}, vars...)).Draw(t, "root")
			for range rapid.IntRange(0, 3).Draw(t, "steps") {
				chain += rapid.SampledFrom([]string{".a", ".b", ".id", "?.a", "?.b", `["a"]`, "[0]", "[1]", "[-1]", "?.[0]", ".event"}).Draw(t, "step")
			}
			if strings.HasPrefix(chain, "event") && !strings.HasPrefix(chain, "event.") {
				return "event.id"
			}
			return chain
		case 5:
			return rapid.SampledFrom([]string{"nil", "true", "1", "2.5", `"a"`, `"INSERT"`, "[1, 2]", `{"a": 1}`}).Draw(t, "literal")
		case 6:
			return rapid.SampledFrom([]string{"uuid()", "now()", "event.time"}).Draw(t, "function")
		case 7, 8:
			op := rapid.SampledFrom([]string{"==", "!=", "<", ">=", "&&", "||", "+", "*", "??", "in", "contains", "matches", ".."}).Draw(t, "operator")
			return "(" + sub() + " " + op + " " + sub() + ")"
		case 9:
			return "(" + sub() + " ? " + sub() + " : " + sub() + ")"
		case 10:
			f := rapid.SampledFrom([]string{"len", "string", "lower", "hash", "toJSON", "type", "int", "not "}).Draw(t, "function")
			return f + "(" + sub() + ")"
		case 11:
			return "coalesce(" + sub() + ", " + sub() + ")"
		case 12:
			name := rapid.SampledFrom([]string{"a", "b", "v"}).Draw(t, "variable")
			return "(let " + name + " = " + sub() + "; " + expressions(depth-1, append(vars, name)...).Draw(t, "scope") + ")"
		case 13:
			f := rapid.SampledFrom([]string{"filter", "map", "any", "all", "count", "sortBy", "groupBy"}).Draw(t, "function")
			return f + "(" + sub() + ", " + rapid.SampledFrom([]string{"#", ".a", "#.a.b", "# == a", ".id > b", "{# != a?.b}"}).Draw(t, "predicate") + ")"
		case 14:
			return "(" + sub() + ")" + rapid.SampledFrom([]string{".a", "?.b", "[0]", ".a.b", "[1:]"}).Draw(t, "step")
		case 15:
			return `{"x": ` + sub() + `, "y": ` + sub() + "}"
		}
		return "[" + sub() + ", " + sub() + "]"
	})
}

// TestLazyEqualsFull proves that lazy evaluation gives the same result as evaluation over a decoded payload.
func TestLazyEqualsFull(t *testing.T) {
	values, failures := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		source := expressions(3).Draw(t, "source")
		ev := *sample
		ev.Data = []byte(documents(3).Draw(t, "document"))
		want, wantErr := full(source, &ev)
		got, compiled, err := lazy(source, &ev)
		if !compiled && strings.Contains(err.Error(), "event has no") { // this package refuses more expressions
			return
		}
		if (err != nil) != (wantErr != nil) || err == nil && !equal(got, want) {
			t.Fatalf("`%s` over %s\nis %#v, %v (compiled: %t)\nwant %#v, %v", source, ev.Data, got, err, compiled, want, wantErr)
		}
		if err == nil {
			values++
		} else {
			failures++
		}
	})
	t.Logf("%d had a value, %d an error", values, failures)
	if values == 0 || failures == 0 {
		t.Error("the generators no longer give both")
	}
}

// unordered are functions whose results have no order, so that they differ between calls.
var unordered = regexp.MustCompile(`keys|values|toPairs|rand`)

// FuzzLazyEqualsFull is TestLazyEqualsFull for any source and any payload.
func FuzzLazyEqualsFull(f *testing.F) {
	f.Add(`operation == "INSERT" && order.amount > 100`, sample.Data)
	f.Add(`let a = order?.id; filter(order.tags, # != a)[0]`, []byte(`{"order":{"id":"x","tags":["x","y"],"tags":["z"]}}`))
	f.Add(`payload[0].a ?? event.attrs.pattern`, []byte(`[{"a":null}]`))
	f.Add(`{"x": a.b.c, "y": [a[1], len(a)]}`, []byte(`{"a":{"b":{"c":1e400}},"a":[1,-0]}`))
	f.Fuzz(func(t *testing.T, source string, doc []byte) {
		if len(source) > 200 || unordered.MatchString(source) || !json.Valid(doc) {
			return
		}
		ev := *sample
		ev.Data = doc
		got, compiled, err := lazy(source, &ev)
		if !compiled { // this package refuses more expressions: unknown functions, $env
			return
		}
		want, wantErr := full(source, &ev)
		if wantErr != nil && strings.Contains(wantErr.Error(), "type func(") { // a field called count is a field here, and a function in the language
			return
		}
		if (err != nil) != (wantErr != nil) || err == nil && !equal(got, want) {
			t.Fatalf("`%s` over %q\nis %#v, %v\nwant %#v, %v", source, doc, got, err, want, wantErr)
		}
	})
}

// TestErrorsInArgumentsAreFound: the compiler loses them where it has a patch, as ours that looks fields up.
func TestErrorsInArgumentsAreFound(t *testing.T) {
	for _, source := range []string{`hash(filter("a", # == a))`, `hash(map("a", #))`, `coalesce(filter("a", true), 1)`} {
		if e, err := Compile(source); err == nil {
			t.Errorf("compiled: %v", e)
		}
	}
}
