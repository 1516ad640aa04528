package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/rawjson"
)

// compare returns a readable diff of the expected and the actual events; "" where the test passed.
func compare(t config.Test, got *testResult) string {
	var b strings.Builder
	for _, e := range t.Expect {
		var payloads [][]byte
		if r := got.at[e.Sink]; r != nil {
			for _, ev := range r.events {
				payloads = append(payloads, ev.Data)
			}
		}
		writeDiff(&b, fmt.Sprintf("%s: %s", e.Pos, e.Sink), e.Payloads, payloads)
	}
	for i, c := range t.Clients {
		seen := got.clients[i]
		if writeDiff(&b, fmt.Sprintf("%s: client %s of %s", c.Pos, c.Name, c.Sink), c.Payloads, seen.payloads) && seen.refused != nil {
			fmt.Fprintf(&b, "    the client is refused: %v\n", seen.refused)
		}
	}
	if b.Len() > 0 {
		for _, reason := range got.reasons {
			fmt.Fprintf(&b, "  %s\n", reason)
		}
	}
	return b.String()
}

// writeDiff writes the difference between expected and arrived payloads, and reports whether
// there is one.
func writeDiff(b *strings.Builder, where string, expected, arrived [][]byte) bool {
	want, have := listing(expected), listing(arrived)
	if want == have {
		return false
	}
	what := fmt.Sprintf("%d expected, %d arrived", len(expected), len(arrived))
	if len(expected) == len(arrived) {
		what = "something else arrived than was expected"
	}
	fmt.Fprintf(b, "  %s: %s\n", where, what)
	diff := udiff.Unified("expected", "arrived", want, have)
	for line := range strings.Lines(diff) {
		b.WriteString("    " + line)
	}
	return true
}

// listing prints payloads in a canonical form: JSON with sorted keys and a line for each,
// anything else quoted.
func listing(payloads [][]byte) string {
	var b strings.Builder
	for i, p := range payloads {
		fmt.Fprintf(&b, "event %d: %s\n", i+1, canonical(p))
	}
	return b.String()
}

func canonical(payload []byte) string {
	var v any
	dec := json.NewDecoder(bytes.NewReader(payload))
	dec.UseNumber()
	if !json.Valid(payload) || dec.Decode(&v) != nil {
		return "no JSON: " + strconv.Quote(string(payload))
	}
	if rawjson.HasDuplicateKeys(payload) { // decoding would hide all members but the last
		return "a key twice: " + strings.TrimSpace(string(payload))
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(shortest(v)); err != nil {
		return strconv.Quote(string(payload))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// shortest replaces numbers in v so that equal ones are equal text: 9.50 by 9.5, and 1e3 by 1000.
func shortest(v any) any {
	switch t := v.(type) {
	case json.Number:
		text := string(t)
		if strings.ContainsAny(text, "eE") {
			if f, err := t.Float64(); err == nil && f != 0 && len(text) <= 15 {
				return f
			}
		} else if strings.Contains(text, ".") {
			text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
		}
		if text == "-0" {
			text = "0"
		}
		return json.Number(text)
	case []any:
		for i := range t {
			t[i] = shortest(t[i])
		}
	case map[string]any:
		for name := range t {
			t[name] = shortest(t[name])
		}
	}
	return v
}
