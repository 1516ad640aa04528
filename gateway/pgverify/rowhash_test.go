package pgverify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
)

// TestCompact proves that only white space between tokens is left out, as a sink does that writes payloads as lines.
func TestCompact(t *testing.T) {
	for _, row := range []string{
		`{"id":1,"doc":{"a" : 1.0, "b":[ 1 ,2 ]},"docb":{"a": 1.0}}`,
		"{\n\t\"a\" : \"x y\\\" z\\\\\" ,\r\n \"b\":\"\\u2028 \u2028\" }",
		`{"line":"{\"operation\" : \"DELETE\", \"order\" : {\"id\" : 1}}\n"}`,
		`{}`, `{"a":""}`, `{"a":"\\"}`,
	} {
		var want bytes.Buffer
		if err := json.Compact(&want, []byte(row)); err != nil {
			t.Fatal(err)
		}
		if got := appendCompact(nil, []byte(row)); string(got) != want.String() {
			t.Errorf("%s is %s, want %s", row, got, want.String())
		}
	}
	var h hasher
	if h.hash([]byte(`{"a":1.0}`), "") == h.hash([]byte(`{"a":1.00}`), "") {
		t.Error("numbers of another text are equal")
	}
}

// TestPartialHash proves that the hash of a row leaves out columns by their name, also where a name has a comma.
func TestPartialHash(t *testing.T) {
	set := newColumnSet("a,b,c", "", "d")
	for name, in := range map[string]bool{"a": true, "b,c": true, "d": true, "a,d": false, "ab": false, "": false} {
		if set.has(name) != in {
			t.Errorf("%q is in %s: %v", name, set, !in)
		}
	}
	if newColumnSet("", "") != "" {
		t.Error("no column is a set")
	}
	var h hasher
	whole, part := []byte(`{"id":1,"a":"x","n": null}`), []byte(`{"id":1,"n":null}`)
	if h.hash(whole, ",a,") != h.hash(part, ",a,") || h.hash(whole, "") == h.hash(part, "") || h.hash(whole, ",n,") == h.hash(part, ",n,") {
		t.Error("the hash is not that of the other columns")
	}
}

// TestDifferences proves that all columns that differ are named, and only these.
func TestDifferences(t *testing.T) {
	table, received := []byte(`{"id":1,"same":{"a": 1},"changed":2.50,"new":null,"left":1}`), []byte(`{"id":1,"same":{"a":1},"changed":2.5,"old":"x"}`)
	got := ""
	for _, d := range differences(table, received, ",left,") {
		got += fmt.Sprintf("%s %s %s; ", d.name, d.table, d.received)
	}
	if got != `changed 2.50 2.5; new null ; old  "x"; ` {
		t.Errorf("got %s", got)
	}
}
