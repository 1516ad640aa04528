// Package redisstream is the source redis-stream: it reads entries of a Redis Stream, at least once.
//
// It reads in one of two modes: each gateway reads all entries (fanout.go, position.go), or the
// members of a consumer group share them (group.go, claim.go, redelivery.go). run.go is common to
// both, and entry.go makes events of entries.
package redisstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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
	From          string           `koanf:"from" rule:"required" doc:"where to begin without a stored position: new, start, or after the entry of an ID such as 1700000000000-0"`
	Name          string           `koanf:"name" doc:"name under which the position is stored in Redis, so that a restart resumes there"`
	Group         string           `koanf:"group" doc:"consumer group, whose members share the entries; it is created unless it exists"`
	Consumer      string           `koanf:"consumer" doc:"name within the group, unique for each gateway, and the same after a restart; empty: the host's name"`
	ClaimAfter    options.Duration `koanf:"claim_after" rule:"min=1s,max=1d" doc:"time without a command of a consumer after which others of its group take over its unacked entries"`
	InFlight      int              `koanf:"in_flight" rule:"min=1,max=10000000" doc:"maximum of events in flight"`
	MaxDeliveries int              `koanf:"max_deliveries" rule:"min=0,max=1000000" doc:"maximum of deliveries of an entry without an ack, as when gateways crash at it"`
}

// Docs is part of [options.Documented].
func (Options) Docs() map[string]string {
	return map[string]string{
		"url":            redisconn.URLDoc,
		"name":           "Each name gets all entries. Empty: each start begins at from",
		"in_flight":      "At this many the source stalls until one is settled. An event that a sink never accepts stays one of them, as do those of its key behind it",
		"max_deliveries": "Beyond it the entry goes to the route's dead_letter. 0: no maximum. Only with group",
	}
}

var entryID = regexp.MustCompile(`^[0-9]{1,20}-[0-9]{1,20}$`)

// Check is part of [options.Checker].
func (o *Options) Check(report func(option, text string)) {
	if o.From != "new" && o.From != "start" && !entryID.MatchString(o.From) {
		report("from", "must be new, start, or the ID of an entry such as 1700000000000-0")
	}
	if o.Group != "" && o.Name != "" {
		report("name", "a group stores its own position: leave name out")
	}
	if o.Group == "" && o.Consumer != "" {
		report("consumer", "is a name within a group: set group, or leave it out")
	}
	if o.Group == "" && o.MaxDeliveries > 0 {
		report("max_deliveries", "only a group counts deliveries: set group, or leave it out")
	}
}

// StoresAttempts is part of [plugin.AttemptStore]: it reports whether the source reads in a group.
func (o *Options) StoresAttempts() bool { return o.Group != "" }

// Type describes the source.
func Type() plugin.SourceType {
	return plugin.NewSource("redis-stream", "Reads entries of a Redis Stream, at least once.",
		func() Options {
			return Options{From: "new", InFlight: 10_000, ClaimAfter: options.Duration(30 * time.Second)}
		}, build).With(plugin.Replays, plugin.ElectsLeader).WithRights(redisconn.Rights(
		plugin.Right{Rules: "+eval +evalsha +exists +xread +xrange +xrevrange +xinfo|stream ~STREAM"},
		plugin.Right{For: "name", Rules: "+hincrby +hset +hget +hmget ~{STREAM}:position:NAME"},
		plugin.Right{For: "group", Rules: "+hincrby +hset +hget +hmget +hdel +del +multi +exec +xgroup|create +xgroup|delconsumer +xinfo|groups +xinfo|consumers +xpending +xreadgroup +xack +xclaim ~{STREAM}:group:GROUP*"},
		redisconn.ReplicaRights, redisconn.LeaderRights)...)
}

func build(o Options, env plugin.Env) (plugin.Source, error) {
	conn, err := redisconn.ParseOptions("url", o.URL, o.TLS)
	if err != nil {
		return nil, err
	}
	if err := conn.CheckKey(o.Stream); err != nil {
		return nil, &plugin.OptionError{Option: "stream", Err: err}
	}
	if o.Group != "" && o.Consumer == "" {
		if o.Consumer, err = os.Hostname(); err != nil {
			return nil, &plugin.OptionError{Option: "consumer", Err: fmt.Errorf("is required, since the host's name cannot be read: %w", err)}
		}
	}
	s := &source{Elector: redisconn.NewElector(conn, o.URL), opts: o, name: env.Name, log: env.Log, count: initialCount, tracker: inflight.NewMessageTracker[string](), stallAfter: inflight.StallAfter}
	s.lag = gauge.NewAge("gateway_redis_stream_lag_seconds", "Age of the entry that was read last, while more entries wait.")
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
	log     *slog.Logger
	lag     *gauge.Age
	claimed prometheus.Counter

	count    int     // entries to read at once
	previous *reader // of the latest Run, for the next one and for Close
	// lastRead is the entry that was read last, or "". historyChanged reports whether the stream
	// was rolled back. Only the goroutine of Run uses them.
	lastRead       string
	historyChanged bool
	// tracker has the entries of a group that are in flight, also beyond a Run.
	tracker *inflight.MessageTracker[string]

	stallAfter time.Duration // see [inflight.StallAfter]
}

// Close is part of [plugin.Closer]: it stores what was acked after the last Run had ended.
func (s *source) Close(ctx context.Context) error {
	if s.previous == nil || !s.previous.mode.unsaved() {
		return nil
	}
	client := s.Config.NewClient()
	defer client.Close()
	s.previous.client = client
	if err := s.previous.save(ctx); err != nil && !errors.Is(err, errTakenOver) && !errors.Is(err, errPositionChanged) { // else a successor has loaded its own position
		return fmt.Errorf("cannot store the latest acks, so their entries will be emitted again: %w", err)
	}
	return nil
}
