package websocket

import (
	"slices"
	"strings"
	"time"

	"github.com/olahol/melody"

	"eventgateway/gateway/expr"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// Options are the options of the sink.
type Options struct {
	Path         string              `koanf:"path" rule:"required" doc:"path of the sink, as a pattern of Go's http.ServeMux; / is every path without another handler"`
	Welcome      options.Map[string] `koanf:"welcome" doc:"fields of a JSON object that is the first frame to each client; empty: none"`
	Origins      []string            `koanf:"origins" doc:"origins of pages that may connect, such as https://shop.example, besides the same host; * allows all"`
	Auth         Auth                `koanf:"auth"`
	Authorize    expr.Authorization  `koanf:"authorize" doc:"condition for the events that a client may see, by its token: order.customer_id == claims.sub"`
	History      History             `koanf:"history"`
	Position     expr.Expression     `koanf:"position" doc:"field of the payload from whose value clients may resume, instead of the offset of this gateway"`
	MaxTopics    int                 `koanf:"max_topics" rule:"min=0,max=100000" doc:"bound of the different subscriptions with channels or a filter"`
	SlowClient   string              `koanf:"slow_client" rule:"oneof=disconnect|drop_oldest|conflate" doc:"what happens to a client whose lag exceeds max_lag"`
	MaxLag       Lag                 `koanf:"max_lag"`
	Limits       Limits              `koanf:"limits"`
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
		"authorize":     "An equality with one claim compares as text, and is looked up, not evaluated for each client; empty: all events",
		"position":      "So clients can resume at another gateway: _pub_id",
		"max_topics":    "Each is evaluated for every event. 0: clients get all events, and cannot filter",
		"slow_client":   "It is disconnected, or skips to new messages, or gets the latest skipped message of each key and then new ones",
		"write_timeout": "A busy browser may accept no byte for ten seconds",
		"farewell":      "It is shorter with few clients: a millisecond for each",
	}
}

// History bounds the messages from which clients can resume. The sink may hold some more.
type History struct {
	Events int              `koanf:"events" rule:"min=0,max=100000000" doc:"bound of the messages from which clients can resume; 0: none"`
	Bytes  options.Size     `koanf:"bytes" rule:"min=0" doc:"bound of their bytes"`
	Age    options.Duration `koanf:"age" rule:"min=0s" doc:"bound of their age"`
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
	if !o.Authorize.IsZero() && !o.Auth.required() {
		report("authorize", "needs the claims of tokens: set auth.tokens or auth.jwt")
	}
	for i, origin := range o.Origins {
		if text := badOrigin(origin); text != "" {
			report("origins["+itoa(i)+"]", text)
		}
	}
}

// Type returns the description of the sink.
func Type() plugin.SinkType {
	return plugin.NewSink("websocket", "Sends every event to every connected WebSocket client.",
		func() Options {
			return Options{
				Path:       "/",
				History:    History{Events: 10_000, Bytes: 16 << 20, Age: options.Duration(10 * time.Minute)},
				MaxTopics:  100,
				SlowClient: slowDisconnect,
				Limits:     Limits{Messages: 100, FilterTime: options.Duration(250 * time.Millisecond), FilterMemory: 64 << 20},
				Farewell:   options.Duration(5 * time.Second),
				MaxLag:     Lag{Events: 100_000, Bytes: 32 << 20},
				MaxMessage: 4 << 10, WriteTimeout: options.Duration(30 * time.Second),
				Ping: options.Duration(25 * time.Second), Pong: options.Duration(10 * time.Second),
			}
		}, build)
}

// Sizes of gorilla's buffers in bytes. Clients send little, and only control frames are written
// through these buffers.
const (
	readBuffer  = 512
	writeBuffer = 256
)

func build(o Options, env plugin.Env) (plugin.Sink, error) {
	s := &sink{
		opts: o, origins: normalizeOrigins(o.Origins), env: env, metrics: newMetrics(),
		clients: map[*client]struct{}{}, gate: newClientLimits(o.Limits),
		refusedOrigins: newLimitedLog(env.Log), refusedVersions: newLimitedLog(env.Log), strippedHandshakes: newLimitedLog(env.Log),
	}
	s.hub = newHub(o, s.metrics, time.Now, env.Go)
	s.hub.clients, s.hub.log = s.listClients, newLimitedLog(env.Log)
	if o.Auth.JWT.Algorithm != "" {
		var err error
		if s.jwt, err = newVerifier(o.Auth.JWT); err != nil {
			return nil, &plugin.OptionError{Option: "auth.jwt.key", Err: err}
		}
	}
	if len(o.Welcome) > 0 {
		var err error
		if s.welcome, err = jsonObject(o.Welcome); err != nil {
			return nil, err
		}
	}
	m := melody.New()
	m.Config.MessageBufferSize = 0 // its queue is not used
	m.Config.MaxMessageSize = int64(o.MaxMessage)
	m.Config.PingPeriod, m.Config.PongWait = o.Ping.D(), o.Ping.D()+o.Pong.D()
	m.Upgrader.ReadBufferSize, m.Upgrader.WriteBufferSize = readBuffer, writeBuffer
	m.Upgrader.CheckOrigin = s.originAllowed
	m.Upgrader.Error = s.refuse
	m.HandleConnect(func(ms *melody.Session) {
		ms.Request = nil // needed no more
		clientOf(ms).start()
	})
	m.HandleMessage(func(ms *melody.Session, msg []byte) { clientOf(ms).receive(msg) })
	s.melody = m
	if err := s.metrics.register(env.Metrics); err != nil {
		return nil, err
	}
	if err := env.HTTP.HandleUpgrade(o.Path, s); err != nil {
		return nil, &plugin.OptionError{Option: "path", Err: err}
	}
	return s, nil
}

// jsonObject returns fields as a JSON object, in their order.
func jsonObject(fields options.Map[string]) ([]byte, error) {
	out := []byte{'{'}
	for i, f := range fields {
		if i > 0 {
			out = append(out, ',')
		}
		var err error
		if out, err = expr.AppendJSON(out, f.Key); err != nil {
			return nil, err
		}
		if out, err = expr.AppendJSON(append(out, ':'), f.Value); err != nil {
			return nil, err
		}
	}
	return append(out, '}'), nil
}
