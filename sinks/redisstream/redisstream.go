// Package redisstream is the sink redis-stream: it appends events to Redis Streams.
package redisstream

import (
	"context"
	"crypto/rand"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/redisconn"
)

// Options of the sink.
type Options struct {
	URL    options.URL   `koanf:"url" rule:"required,scheme=redis|rediss|unix|redis-sentinel|rediss-sentinel|redis-cluster|rediss-cluster,embedded=redis" doc:"where Redis is: redis://user:password@host:6379"`
	TLS    options.TLS   `koanf:"tls"`
	Stream expr.Template `koanf:"stream" rule:"required" doc:"stream to append to; may hold expressions: 'orders.{{ event.attrs.table }}'"`
	Maxlen int           `koanf:"maxlen" rule:"min=0" doc:"length to which each stream is trimmed; it may have some thousand entries more"`
}

// Docs is part of [options.Documented].
func (Options) Docs() map[string]string {
	return map[string]string{
		"url":    redisconn.URLDoc,
		"maxlen": "Older entries are deleted, also unread ones. 0: all are kept, until Redis is full",
	}
}

// Type describes the sink.
func Type() plugin.SinkType {
	return plugin.NewSink("redis-stream", "Appends events to Redis Streams, which store them.",
		func() Options { return Options{Maxlen: 1_000_000} }, build).With(plugin.Durable).WithMaxBatch(maxBatch).WithRights(redisconn.Rights(
		plugin.Right{Rules: "+eval +evalsha +get +set +xtrim +xadd ~STREAM ~{STREAM}:writer:* ~{STREAM}:term:*"})...)
}

func build(o Options, _ plugin.Env) (plugin.Sink, error) {
	conn, err := redisconn.ParseOptions("url", o.URL, o.TLS)
	if err != nil {
		return nil, err
	}
	if stream, literal := o.Stream.Literal(); literal {
		if err := conn.CheckKey(stream); err != nil {
			return nil, &plugin.OptionError{Option: "stream", Err: err}
		}
	}
	// No connection is made before the first command.
	return &sink{opts: o, client: conn.NewClient(), writer: rand.Text(), unconfirmed: map[string]sentBatch{}}, nil
}

type sink struct {
	opts   Options
	client redis.UniversalClient
	eval   expr.Evaluator
	writer string // identifies this instance
	number int64  // of the last batch

	// unconfirmed holds, by stream, the batch whose reply has not come, or was lost.
	unconfirmed map[string]sentBatch
}

// sentBatch is a batch as it was sent.
type sentBatch struct {
	number int64
	events []*event.Event
	lost   bool // the connection was lost before the reply
}

// maxBatch bounds the events of a batch, so that its script blocks Redis for a few milliseconds only.
const maxBatch = 1000

// Open is part of [plugin.Opener].
func (s *sink) Open(ctx context.Context) error { return s.Ping(ctx) }

// Ping is part of [plugin.Pinger].
func (s *sink) Ping(ctx context.Context) error {
	err := s.client.Ping(ctx).Err()
	return redisconn.Unavailable(err, s.wrap(err), redisconn.Command{FixedKeys: true})
}

// Close is part of [plugin.Closer].
func (s *sink) Close(context.Context) error { return s.client.Close() }
