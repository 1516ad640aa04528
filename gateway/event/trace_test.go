package event_test

import (
	"strings"
	"testing"

	"eventgateway/gateway/event"
)

const traceParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// TestParseTraceParent has the cases of the standard (W3C Trace Context, section 3.2).
func TestParseTraceParent(t *testing.T) {
	for text, want := range map[string]string{
		traceParent: traceParent,
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00":     "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
		"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01":     traceParent, // a later version
		"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-new": traceParent,
		"": "", "-": "", traceParent[:54]: "", traceParent + "-": "", traceParent + "0": "", " " + traceParent: "",
		"cc" + traceParent[2:] + ".new": "", "ff" + traceParent[2:]: "", "0g" + traceParent[2:]: "",
		strings.ToUpper(traceParent): "", strings.Replace(traceParent, "4736", "473G", 1): "", strings.Replace(traceParent, "-", "_", 1): "",
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01": "",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01": "",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-é":  "",
	} {
		p, ok := event.ParseTraceParent(text)
		if ok != (want != "") || ok && p.String() != want {
			t.Errorf("%q: %v, %v", text, p, ok)
		}
		if ok && p.Sampled() != strings.HasSuffix(want, "1") {
			t.Errorf("%q: sampled %v", text, p.Sampled())
		}
	}
}

// TestTraceParentOfEvents costs no allocation.
func TestTraceParentOfEvents(t *testing.T) {
	e := &event.Event{Attrs: []event.Attr{{Name: "table", Value: "orders"}, {Name: event.AttrTraceParent, Value: traceParent}}}
	if n := testing.AllocsPerRun(100, func() {
		if p, ok := e.TraceParent(); !ok || !p.Sampled() {
			t.Error("no trace")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if p, ok := (&event.Event{}).TraceParent(); ok {
		t.Errorf("a trace: %v", p)
	}
}
