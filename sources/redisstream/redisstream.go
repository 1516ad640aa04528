// Package redisstream is the source redis-stream: entries of a Redis Stream, of which
// none is lost.
//
// It reads in one of two forms: each gateway reads all (fanout.go), or those of a
// consumer group share the entries (group.go, claim.go). run.go is what both have in
// common, entry.go makes events of entries.
package redisstream

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/gauge"
	"eventgateway/gateway/inflight"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/redisconn"
)

// Options of the source.
type Options struct {
	URL           options.URL      `koanf:"url" rule:"required,scheme=redis|rediss|unix|redis-sentinel|rediss-sentinel|redis-cluster|rediss-cluster,embedded=redis" doc:"where Redis is: redis://user:password@host:6379"`
	TLS           options.TLS      `koanf:"tls"`
	Stream        string           `koanf:"stream" rule:"required" doc:"stream to read"`
	From          string           `koanf:"from" rule:"required" doc:"where to begin, where nothing is kept: new, start, or behind the entry of an ID such as 1700000000000-0"`
	Name          string           `koanf:"name" doc:"name under which Redis keeps how far was read, so that the next start goes on there"`
	Group         string           `koanf:"group" doc:"consumer group: those that read under one share the entries; it is made where it is not there"`
	Consumer      string           `koanf:"consumer" doc:"name within the group, another for each gateway, and the same after a restart; empty: the host's name"`
	ClaimAfter    options.Duration `koanf:"claim_after" rule:"min=1s,max=1d" doc:"how long nothing is heard of a consumer until the others of its group take over what it has not acked"`
	InFlight      int              `koanf:"in_flight" rule:"min=1,max=10000000" doc:"events that may be emitted and not yet settled"`
	MaxDeliveries int              `koanf:"max_deliveries" rule:"min=0,max=1000000" doc:"how often an entry is delivered that is never acked, because gateways die of it, or stop before"`
}

// Docs is part of [options.Documented].
func (Options) Docs() map[string]string {
	return map[string]string{
		"url":            redisconn.URLDoc,
		"name":           "Each name gets everything. Empty: each start begins at from",
		"in_flight":      "One that a sink never takes is one of them until it does, and so are those of its key that wait for it; at this many the source reads no more until one is settled, and shows as stalled",
		"max_deliveries": "Beyond it goes to the route's dead_letter. 0: without end. Only with group",
	}
}

var entryID = regexp.MustCompile(`^[0-9]{1,20}-[0-9]{1,20}$`)

// Check is part of [options.Checker].
func (o *Options) Check(report func(option, text string)) {
	if o.From != "new" && o.From != "start" && !entryID.MatchString(o.From) {
		report("from", "must be new, start, or the ID of an entry such as 1700000000000-0")
	}
	if o.Group != "" && o.Name != "" {
		report("name", "a group keeps how far it has read itself: leave name out")
	}
	if o.Group == "" && o.Consumer != "" {
		report("consumer", "is a name within a group: set group, or leave it out")
	}
	if o.Group == "" && o.MaxDeliveries > 0 {
		report("max_deliveries", "only a group counts deliveries: set group, or leave it out")
	}
}

// StoresAttempts is part of [plugin.AttemptStore]: a group does.
func (o *Options) StoresAttempts() bool { return o.Group != "" }

// Type describes the source.
func Type() plugin.SourceType {
	return plugin.NewSource("redis-stream", "Entries of a Redis Stream, of which none is lost.",
		func() Options {
			return Options{From: "new", InFlight: 10_000, ClaimAfter: options.Duration(30 * time.Second)}
		}, build).With(plugin.Replays, plugin.ElectsLeader).WithRights(redisconn.Rights(
		plugin.Right{Rules: "+eval +evalsha +exists +xread +xrange +xinfo|stream ~STREAM"},
		plugin.Right{For: "name", Rules: "+hincrby +hset +hget +hmget ~{STREAM}:position:NAME"},
		plugin.Right{For: "group", Rules: "+hincrby +hset +hget +hmget +hdel +del +multi +exec +xgroup|create +xgroup|delconsumer +xinfo|groups +xinfo|consumers +xpending +xreadgroup +xack +xclaim ~{STREAM}:group:GROUP*"},
		redisconn.LeaderRights)...)
}

func build(o Options, env plugin.Env) (plugin.Source, error) {
	conn, err := redisconn.Parse(o.URL)
	if err != nil {
		return nil, &plugin.OptionError{Option: "url", Err: err}
	}
	if err := conn.UseTLS(o.TLS); err != nil {
		return nil, err
	}
	if err := conn.CheckKey(o.Stream); err != nil {
		return nil, &plugin.OptionError{Option: "stream", Err: err}
	}
	if o.Group != "" && o.Consumer == "" {
		if o.Consumer, err = os.Hostname(); err != nil {
			return nil, &plugin.OptionError{Option: "consumer", Err: fmt.Errorf("is required, for the host has no name: %w", err)}
		}
	}
	s := &source{Elector: redisconn.NewElector(conn, o.URL), opts: o, name: env.Name, count: fewEntries, ledger: inflight.NewMessageTracker[string](), stallAfter: inflight.StallAfter}
	s.lag = gauge.NewAge("gateway_redis_stream_lag_seconds", "Age of the entry that was read last, while more of them wait.")
	s.claimed = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "gateway_redis_stream_claimed_total", Help: "Entries taken over from consumers that are gone.",
	})
	if err := env.Metrics.Register(s.lag); err != nil {
		return nil, err
	}
	return s, env.Metrics.Register(s.claimed)
}

type source struct {
	redisconn.Elector
	opts    Options
	name    string
	lag     *gauge.Age
	claimed prometheus.Counter

	count int     // entries to read at once
	last  *reader // of the latest Run, for the next one and for Close
	// newest is the entry that was read last, "" where none was, and again says that the stream
	// went back; only the goroutine of Run has them.
	newest string
	again  bool
	// ledger is of a group: what is on its way outlives a Run.
	ledger *inflight.MessageTracker[string]

	stallAfter time.Duration // see [inflight.StallAfter]
}

// Close is part of [plugin.Closer]: it stores what was acked after the last Run had ended.
func (s *source) Close(ctx context.Context) error {
	if s.last == nil || !s.last.form.unsaved() {
		return nil
	}
	client := s.Config.NewClient()
	defer client.Close()
	s.last.client = client
	if err := s.last.save(ctx); err != nil && !errors.Is(err, errTakenOver) && !errors.Is(err, errMoved) { // else its successor has begun where it had stored
		return fmt.Errorf("what was delivered last will come again: %w", err)
	}
	return nil
}
