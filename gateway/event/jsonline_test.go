package event

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestLineRoundTrip proves that each event is written as one line, and that parsing returns an equal event.
func TestLineRoundTrip(t *testing.T) {
	text := rapid.StringOf(rapid.Rune())
	rapid.Check(t, func(t *rapid.T) {
		e := &Event{
			ID: text.Draw(t, "id"), Source: text.Draw(t, "source"), Channel: text.Draw(t, "channel"), Key: text.Draw(t, "key"),
			Time: time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "time"), 123456789).UTC(),
			Data: rapid.OneOf(rapid.Map(text, func(s string) []byte { return []byte(s) }), rapid.SliceOf(rapid.Byte())).Draw(t, "data"),
		}
		if rapid.Bool().Draw(t, "attrs") {
			e.Attrs = []Attr{{"a", text.Draw(t, "a")}, {"b", text.Draw(t, "b")}}
		}
		line := AppendLine([]byte("before\n"), e)
		if bytes.Count(line, []byte("\n")) != 2 || line[len(line)-1] != '\n' {
			t.Fatalf("not one line: %q", line)
		}
		got, err := ParseLine(line[len("before\n"):])
		if err != nil {
			t.Fatal(err)
		}
		if got.Data == nil {
			got.Data = []byte{}
		}
		if e.Data == nil {
			e.Data = []byte{}
		}
		if !reflect.DeepEqual(got, e) {
			t.Fatalf("%+v came back as %+v", e, got)
		}
	})
}

// TestPayloadLine proves how payloads are written, and that ParseLine refuses what is no event.
func TestPayloadLine(t *testing.T) {
	for in, want := range map[string]string{
		"{\n \"a\": 1.50, \"a\": 1e400\n}": "{\"a\":1.50,\"a\":1e400}\n",
		"text <b>":                         "\"text <b>\"\n",
		"":                                 "\"\"\n",
	} {
		if got := AppendPayloadLine([]byte("x"), []byte(in)); string(got) != "x"+want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
	for _, broken := range []string{"", "{", `{"id":"x"}`, `[1]`, `{"data":7}`} {
		if e, err := ParseLine([]byte(broken)); err == nil {
			t.Errorf("%s is %+v", broken, e)
		}
	}
}
