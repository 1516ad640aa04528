// Package redissub is the source redis-sub: messages of Redis Pub/Sub channels
// and patterns.
package redissub

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/redisconn"
)

// Options of the source.
type Options struct {
	URL      options.URL      `koanf:"url" rule:"required,scheme=redis|rediss|unix|redis-sentinel|rediss-sentinel|redis-cluster|rediss-cluster,embedded=redis" doc:"where Redis is: redis://user:password@host:6379"`
	TLS      options.TLS      `koanf:"tls"`
	Channels []string         `koanf:"channels" doc:"channels to subscribe to"`
	Patterns []string         `koanf:"patterns" doc:"patterns to subscribe to, such as orders.*"`
	Ping     options.Duration `koanf:"ping" rule:"min=50ms,max=1m" doc:"interval of pings; after two without a reply the connection is lost"`
	Buffer   Buffer           `koanf:"buffer"`
}

// Docs is part of [options.Documented].
func (Options) Docs() map[string]string {
	return map[string]string{
		"url": redisconn.URLDoc,
	}
}

// Buffer bounds the messages that were received and not emitted.
type Buffer struct {
	Messages int          `koanf:"messages" rule:"min=1,max=10000000" doc:"maximum of messages that wait for slow routes; beyond it the oldest are dropped, counted, and reported as a gap"`
	Bytes    options.Size `koanf:"bytes" rule:"min=1KiB" doc:"maximum of bytes that wait for slow routes"`
}

// Check is part of [options.Checker].
func (o *Options) Check(report func(option, text string)) {
	if len(o.Channels)+len(o.Patterns) == 0 {
		report("channels", "at least one channel or pattern is required")
	}
	for i, c := range o.Channels {
		if c == "" {
			report(fmt.Sprintf("channels[%d]", i), "is empty")
		}
		if redisconn.IsGapChannel(c) {
			report(fmt.Sprintf("channels[%d]", i), reserved)
		}
	}
	for i, p := range o.Patterns {
		if redisconn.IsGapChannel(p) {
			report(fmt.Sprintf("patterns[%d]", i), reserved)
		}
	}
}

const reserved = "is reserved: gaps are published there, and the source subscribes to those of its channels by itself"

// Type describes the source.
func Type() plugin.SourceType {
	return plugin.NewSource("redis-sub", "Messages of Redis Pub/Sub channels and patterns.",
		func() Options {
			return Options{Ping: options.Duration(2 * time.Second), Buffer: Buffer{Messages: 100_000, Bytes: 64 << 20}}
		}, build).With(plugin.ElectsLeader).WithRights(redisconn.Rights(
		plugin.Right{Rules: "+subscribe &CHANNEL &eventgateway:gaps &eventgateway:gaps:CHANNEL"},
		plugin.Right{For: "patterns", Rules: "+psubscribe &PATTERN &eventgateway:gaps:PATTERN"},
		redisconn.ReplicaRights, redisconn.LeaderRights,
		plugin.Right{For: "a cluster, whose server it asks whether that is cut off", Rules: "+cluster|info"},
		plugin.Right{For: "gateway check --live, which sends itself a message", Rules: "+publish &eventgateway:check:*"})...)
}

func build(o Options, env plugin.Env) (plugin.Source, error) {
	conn, err := redisconn.ParseOptions("url", o.URL, o.TLS)
	if err != nil {
		return nil, err
	}
	dropped := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "gateway_redis_sub_dropped_total",
		Help: "Messages dropped because the routes were slower than Redis for too long.",
	})
	s := &source{Elector: redisconn.NewElector(conn, o.URL), opts: o, name: env.Name, log: env.Log, dropped: dropped}
	s.gapForwarder = newGapForwarder(&s.opts)
	return s, env.Metrics.Register(dropped)
}

type source struct {
	redisconn.Elector
	opts             Options
	name             string
	log              *slog.Logger
	dropped          prometheus.Counter
	gapForwarder     *gapForwarder
	gapsDenied       bool // it was denied gaps, and has logged that; only for the receiving goroutine
	subscribedBefore bool // only for the goroutine of Run
}

// errNoPong ends a run after two pings without a reply.
var errNoPong = errors.New("the connection is lost: two pings had no reply")
