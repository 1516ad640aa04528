// Package redispub is the sink redis-pub: it publishes payloads to Redis
// channels.
package redispub

import (
	"eventgateway/gateway/expr"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/redisconn"
)

// Options of the sink.
type Options struct {
	URL      options.URL   `koanf:"url" rule:"required,scheme=redis|rediss|unix|redis-sentinel|rediss-sentinel|redis-cluster|rediss-cluster,embedded=redis" doc:"where Redis is: redis://user:password@host:6379"`
	TLS      options.TLS   `koanf:"tls"`
	Channel  expr.Template `koanf:"channel" rule:"required" doc:"channel to publish to; may hold expressions: 'orders.{{ event.key }}'"`
	Sequence Sequence      `koanf:"sequence"`
}

// Docs is part of [options.Documented].
func (Options) Docs() map[string]string {
	return map[string]string{
		"url": redisconn.URLDoc,
	}
}

// Sequence configures the numbers of messages.
type Sequence struct {
	Key   string `koanf:"key" doc:"Redis key of the counter, which survives restarts, and keeps channel order with several publishers; empty: no numbers"`
	Field string `koanf:"field" rule:"required" doc:"field that gets the number, appended last to the payload, which must be a JSON object"`
}

// Type describes the sink.
func Type() plugin.SinkType {
	return plugin.NewSink("redis-pub", "Publishes payloads to Redis Pub/Sub channels.",
		func() Options { return Options{Sequence: Sequence{Field: "_pub_id"}} }, build).WithRights(redisconn.Rights(
		plugin.Right{Rules: "+publish &CHANNEL &eventgateway:gaps:CHANNEL"},
		plugin.Right{For: "a channel that is a template", Rules: "&eventgateway:gaps"},
		plugin.Right{For: "sequence", Rules: "+eval +evalsha +incrby +get +set ~KEY ~{KEY}:term:*"})...)
}

func build(o Options, env plugin.Env) (plugin.Sink, error) {
	conn, err := redisconn.ParseOptions("url", o.URL, o.TLS)
	if err != nil {
		return nil, err
	}
	s := &sink{opts: o, env: env}
	if channel, ok := o.Channel.Literal(); ok {
		if redisconn.IsGapChannel(channel) {
			return nil, &plugin.OptionError{Option: "channel", Err: errReserved}
		}
		s.literal = channel
	}
	field, err := expr.AppendJSON(nil, o.Sequence.Field)
	if err != nil {
		return nil, err
	}
	s.field = append(field, ':')
	s.client = conn.NewClient() // which connects with the first command
	return s, nil
}
