package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"eventgateway/gateway/internal/router"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// client is a client of a test in a file.
type client struct {
	Sink   string `koanf:"sink" doc:"sink that it is connected to; may be left out where only one sink has clients"`
	Claims any    `koanf:"claims" doc:"what its token says: a mapping, or text that is JSON"`
	Expect []any  `koanf:"expect" doc:"the payloads that it gets, in this order; none: it gets nothing"`
}

// OptionType names the type in tables.
func (client) OptionType() string { return "client" }

// ClientRows lists the options of a client in a test, for the documentation.
func ClientRows() []options.Row { return options.Rows(&client{}) }

// clients decodes the clients of a test. names are all sinks; clients of sinks that are not loaded
// are ignored.
func (g *graph) clients(at string, from options.Map[client], names []string, loaded []router.SinkSpec) (out []Client) {
	var with []string // clients
	for _, s := range loaded {
		if _, ok := s.Options.(plugin.ClientSimulator); ok {
			with = append(with, s.Name)
		}
	}
	for _, e := range from {
		path := options.Join(at, e.Key)
		key, _ := g.dec.Locate(path)
		c := Client{Name: e.Key, Pos: key, Sink: e.Value.Sink, Claims: g.claims(path+".claims", e.Value.Claims)}
		switch {
		case c.Sink == "" && len(with) == 1:
			c.Sink = with[0]
		case c.Sink == "" && len(with) == 0:
			g.dec.Report(path, true, "no sink has clients that may see different events")
		case c.Sink == "":
			g.dec.Report(path, true, "several sinks have clients: write sink: %s", strings.Join(with, ", or sink: "))
		case !slices.Contains(names, c.Sink):
			g.dec.Report(path+".sink", false, "%s", options.UnknownName(fmt.Sprintf("sink %q", c.Sink), c.Sink, with))
		case !slices.ContainsFunc(loaded, func(s router.SinkSpec) bool { return s.Name == c.Sink }):
			continue
		case !slices.Contains(with, c.Sink):
			g.dec.Report(path+".sink", false, "has no clients that may see different events: name what arrives there under expect")
		}
		c.Payloads = g.payloads(path+".expect", e.Value.Expect)
		out = append(out, c)
	}
	return out
}

// claims returns claims as a token would hold them.
func (g *graph) claims(path string, given any) (claims map[string]any) {
	if given == nil {
		return map[string]any{}
	}
	text, err := payload(given)
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err != nil || dec.Decode(&claims) != nil || claims == nil || dec.More() {
		g.dec.Report(path, false, `must be a mapping of claims, such as {sub: "7"}`)
	}
	return claims
}
