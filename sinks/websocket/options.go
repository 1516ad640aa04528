package websocket

import (
	"slices"
	"strings"

	"eventgateway/gateway/expr"
	"eventgateway/gateway/options"
	"eventgateway/sinks/websocket/presence"
)

// Options are the options of the sink.
type Options struct {
	Path         string              `koanf:"path" rule:"required" doc:"path of the sink, as a pattern of Go's http.ServeMux; / is every path without another handler"`
	Welcome      options.Map[string] `koanf:"welcome" doc:"fields of a JSON object that is the first frame to each client; empty: none"`
	Origins      []string            `koanf:"origins" doc:"origins of pages that may connect, such as https://shop.example, besides the same host; * allows all"`
	Auth         Auth                `koanf:"auth"`
	Authorize    expr.Authorization  `koanf:"authorize" doc:"condition for the events that a client may see, by its token: order.customer_id == claims.sub"`
	Channels     []expr.Template     `koanf:"channels" doc:"names of the channels of an event, such as customer:{{ order.customer_id }}; empty: the channel that the source has set"`
	History      History             `koanf:"history"`
	Attributes   bool                `koanf:"attributes" doc:"whether WebSocket clients may ask for what an event has beside its payload: channel, key, ID, source, times, position and attributes"`
	Position     expr.Expression     `koanf:"position" doc:"field of the payload from whose value clients may resume, instead of the offset of this gateway"`
	MaxTopics    int                 `koanf:"max_topics" rule:"min=0,max=100000" doc:"bound of the different subscriptions that are evaluated for every event"`
	SlowClient   string              `koanf:"slow_client" rule:"oneof=disconnect|drop_oldest|conflate" doc:"what happens to a client whose lag exceeds max_lag"`
	MaxLag       Lag                 `koanf:"max_lag"`
	Limits       Limits              `koanf:"limits"`
	Compression  Compression         `koanf:"compression"`
	Snapshot     Snapshot            `koanf:"snapshot"`
	Presence     presence.Options    `koanf:"presence"`
	MaxMessage   options.Size        `koanf:"max_message" rule:"min=125,max=16MiB" doc:"largest message from a client"`
	WriteTimeout options.Duration    `koanf:"write_timeout" rule:"min=100ms" doc:"how long one write may block before the client is disconnected"`
	Ping         options.Duration    `koanf:"ping" rule:"min=100ms" doc:"interval of pings to clients"`
	Pong         options.Duration    `koanf:"pong" rule:"min=100ms" doc:"how long a client may take to answer a ping before it is disconnected"`
	Farewell     options.Duration    `koanf:"farewell" rule:"min=0s,max=1m" doc:"period over which clients are disconnected when the gateway stops, so that they do not reconnect all at once"`
}

// Docs is part of [options.Documented].
func (Options) Docs() map[string]string {
	return map[string]string{
		"origins":       "Behind a proxy on this machine that keeps the Host, list the proxy's own origin: a connection to a loopback address with another host is refused. Clients without an Origin (programs) may always connect",
		"authorize":     "An equality with one claim, and no more, compares as text. An index finds the clients if the rule needs an equality of a field. channel is each channel of the event: channel in claims.channels; empty: all events",
		"attributes":    "Transforms and authorize do not hide these: the key may be a field that a transform masks",
		"channels":      "Clients subscribe to any of them. An event is in no channel whose name lacks a value",
		"position":      "So clients can resume at another gateway: _pub_id",
		"max_topics":    "Those are filters without an equality of a field, such as amount > 5; others are not bounded. 0: clients cannot filter",
		"slow_client":   "It is disconnected, or skips to new messages, or gets the latest skipped message of each key and then new ones",
		"write_timeout": "A busy browser may accept no byte for ten seconds",
		"farewell":      "It is shorter with few clients: a millisecond for each",
	}
}

// History bounds the messages from which clients can resume. The sink may hold some more.
type History struct {
	Events     int              `koanf:"events" rule:"min=0,max=100000000" doc:"bound of the messages from which clients can resume; 0: none"`
	Bytes      options.Size     `koanf:"bytes" rule:"min=0" doc:"bound of their bytes"`
	Age        options.Duration `koanf:"age" rule:"min=0s" doc:"bound of their age"`
	FromSource options.Duration `koanf:"from_source" rule:"min=0s" doc:"how far back the history is read from the source at the start; 0s: not at all"`
}

// Docs is part of [options.Documented].
func (History) Docs() map[string]string {
	return map[string]string{
		"from_source": "So clients resume after a restart, and at another gateway",
	}
}

// Lag bounds the lag of a client: the messages of its subscription that it was not sent yet.
type Lag struct {
	Events int          `koanf:"events" rule:"min=1" doc:"bound of the messages that a client was not sent yet"`
	Bytes  options.Size `koanf:"bytes" rule:"min=64KiB" doc:"bound of their bytes; also of the memory of all slow clients together"`
}

// Check is part of [options.Checker].
func (o *Options) Check(report func(option, text string)) {
	if !strings.HasPrefix(o.Path, "/") {
		report("path", "must begin with /")
	}
	for _, f := range o.Welcome {
		if f.Key == "type" && slices.Contains(controlTypes, f.Value) {
			report("welcome.type", "is the type of a control message of the protocol: write welcome")
		}
	}
	o.Auth.check(report)
	o.checkFromSource(report)
	if !o.Authorize.IsZero() && !o.Auth.required() {
		report("authorize", "needs the claims of tokens: set auth.tokens or auth.jwt")
	}
	o.Snapshot.check(o.History, report)
	o.Presence.Check(func(option, text string) { report("presence."+option, text) })
	if o.Presence.Subjects && !o.Auth.required() {
		report("presence.subjects", "needs the claims of tokens: set auth.tokens or auth.jwt")
	}
	for i, origin := range o.Origins {
		if text := originProblem(origin); text != "" {
			report("origins["+itoa(i)+"]", text)
		}
	}
}
