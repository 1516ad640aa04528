package app

import (
	"strings"
	"testing"

	"eventgateway/gateway/plugin"
)

// TestReportQuotesControlCharacters proves that names and messages of a server cannot begin a line or control a
// terminal.
func TestReportQuotesControlCharacters(t *testing.T) {
	var out strings.Builder
	r := &report{w: &out, live: true}
	r.finding("sources.in", "gateway.yaml:1:1", plugin.Finding{Level: plugin.Problem, Text: "the table x\nok      all is well\x1b[2J\u202e\u009b é", Fix: "mend\r\nthis"})
	want := `WRONG   gateway.yaml:1:1: sources.in: the table x\nok      all is well\x1b[2J\u202e\u009b é` + "\n" + `        mend it: mend\r\nthis` + "\n"
	if got := out.String(); got != want {
		t.Errorf("it prints\n%q\nwant\n%q", got, want)
	}
}
