package config

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"eventgateway/gateway/internal/router"
	"eventgateway/gateway/options"
)

// DeadLetters is the name of the parked events in a test.
const DeadLetters = "dead_letters"

// Test is a test in a file: events, and the events that must arrive at sinks.
type Test struct {
	Name     string
	Pos      options.Pos
	Source   string
	Channel  string
	Attrs    options.Map[string]
	Now      time.Time
	Payloads [][]byte
	Expect   []Expected
	Clients  []Client
}

// Client is a client of a sink in a test: its claims, and the payloads that it must receive.
type Client struct {
	Name     string
	Pos      options.Pos
	Sink     string
	Claims   map[string]any // as a token holds them: numbers are json.Number
	Payloads [][]byte
}

// Expected holds the payloads that must arrive at a sink, or under [DeadLetters].
type Expected struct {
	Sink     string
	Pos      options.Pos
	Payloads [][]byte
}

// testOptions is a test in a file. A payload is text, or YAML that is converted to
// JSON.
type testOptions struct {
	Source  string              `koanf:"source" rule:"required" doc:"source that the events come from"`
	Channel string              `koanf:"channel" doc:"channel that they come on"`
	Attrs   options.Map[string] `koanf:"attrs" doc:"their attributes"`
	Now     string              `koanf:"now" doc:"the time, which stands still: RFC 3339"`
	Events  []any               `koanf:"events" rule:"min=1" doc:"payloads: text as it is, or YAML that becomes JSON"`
	Expect  options.Map[[]any]  `koanf:"expect" doc:"sink: the payloads that arrive there, in this order; dead_letters: those that are parked"`
	Clients options.Map[client] `koanf:"clients" doc:"name: a client of a sink, its claims, and the messages that it must get"`
}

func defaultTest() testOptions { return testOptions{Channel: "test", Now: "2024-01-01T00:00:00Z"} }

// TestRows lists the options of a test, for the documentation.
func TestRows() []options.Row {
	t := defaultTest()
	return options.Rows(&t)
}

// tests decodes the tests of the sources that are loaded.
func (g *graph) tests(top parts, routes []router.RouteSpec, loaded []router.SinkSpec) (out []Test) {
	routed := map[string]bool{}
	for _, r := range routes {
		for _, from := range r.From {
			routed[from] = true
		}
	}
	m := g.mapping("tests", top.Tests)
	sources, _ := top.Sources.(map[string]any)
	sinks, _ := top.Sinks.(map[string]any)
	for _, name := range g.dec.Keys("tests", m) {
		at := "tests." + name
		o := defaultTest()
		before := len(g.dec.Problems)
		g.dec.Decode(at, m[name], &o)
		if given, ok := m[name].(map[string]any); ok && isEmpty(given["expect"]) && isEmpty(given["clients"]) {
			g.dec.Report(at+".expect", false, "must have at least 1 entry")
		}
		if len(g.dec.Problems) > before {
			continue
		}
		key, _ := g.dec.Locate(at)
		t := Test{Name: name, Pos: key, Source: o.Source, Channel: o.Channel, Attrs: o.Attrs}
		var err error
		if t.Now, err = time.Parse(time.RFC3339, o.Now); err != nil {
			g.dec.Report(at+".now", false, "is not a time: write it like 2024-01-02T15:04:05Z")
		}
		if _, ok := sources[o.Source]; ok && !routed[o.Source] && len(g.selected) == 0 {
			g.dec.Report(at+".source", false, "no route takes anything from %s", o.Source)
		} else if !ok {
			g.dec.Report(at+".source", false, "%s", g.unknown("source", o.Source, "sources", sources))
		}
		t.Payloads = g.payloads(at+".events", o.Events)
		for _, e := range o.Expect {
			path := options.Join(at+".expect", e.Key)
			_, ok := sinks[e.Key]
			if ok && e.Key == DeadLetters {
				g.dec.Report(path, true, "means the events that are parked, and there is a sink of that name: call the sink something else")
			}
			if !ok && e.Key != DeadLetters {
				g.dec.Report(path, true, "%s", g.dec.UnknownName(fmt.Sprintf("sink %q", e.Key), e.Key, func() []string { return append(slices.Clone(g.known("sinks", sinks)), DeadLetters) }))
			}
			key, _ := g.dec.Locate(path)
			t.Expect = append(t.Expect, Expected{e.Key, key, g.payloads(path, e.Value)})
		}
		if routed[o.Source] {
			t.Clients = g.clients(at+".clients", o.Clients, g.known("sinks", sinks), loaded)
			out = append(out, t)
		}
	}
	return out
}

// isEmpty reports whether a mapping is missing or empty.
func isEmpty(v any) bool {
	m, ok := v.(map[string]any)
	return v == nil || ok && len(m) == 0
}

func (g *graph) payloads(path string, values []any) (out [][]byte) {
	for i, v := range values {
		text, err := payload(v)
		if err != nil {
			g.dec.Report(fmt.Sprintf("%s[%d]", path, i), false, "cannot be written as JSON: %v", err)
		}
		out = append(out, text)
	}
	return out
}

// payload returns the payload for a value in a test.
func payload(v any) ([]byte, error) {
	switch t := v.(type) {
	case string:
		return []byte(t), nil
	case options.Expanded:
		return []byte(t), nil
	}
	return json.Marshal(v)
}
