// Package dedupe is the transform dedupe: it drops events that it has seen before.
package dedupe

import (
	"context"
	"crypto/sha256"
	"fmt"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/redisconn"
)

// Options of the transform.
type Options struct {
	By     expr.Expression  `koanf:"by" doc:"expression whose value identifies an event; an event for which it is nil or empty always goes on"`
	Window options.Duration `koanf:"window" rule:"min=1ms" doc:"time for which an event is remembered, from when it was first seen"`
	Size   int              `koanf:"size" rule:"min=1" doc:"maximum of events in memory, about 100 bytes each; beyond it the oldest is forgotten. Not for redis"`
	Redis  options.URL      `koanf:"redis" rule:"scheme=redis|rediss|unix|redis-sentinel|rediss-sentinel|redis-cluster|rediss-cluster" doc:"redis:// URL of a server that stores them for several gateways"`
	TLS    options.TLS      `koanf:"tls"`
	Prefix string           `koanf:"prefix" rule:"required" doc:"prefix of the keys in Redis; gateways with the same prefix share what they have seen"`
}

// Docs is part of [options.Documented].
func (Options) Docs() map[string]string {
	return map[string]string{
		"redis": "They survive a restart. Empty: in memory, separate for each route",
	}
}

// Type describes the transform.
func Type() plugin.TransformType {
	return plugin.NewTransform("dedupe", "Drops events that were seen before.",
		func() Options {
			return Options{By: expr.MustCompile("event.id"), Window: options.Duration(10 * 60e9), Size: 100_000, Prefix: "gateway:dedupe:"}
		}, build).With(plugin.Deduplicates, plugin.KeepsFields).WithRights(redisconn.Rights(plugin.Right{Rules: "+set ~PREFIX*"})...)
}

func build(o Options, env plugin.Env) (plugin.Transform, error) {
	t := &transform{opts: o, eval: expr.NewEvaluator(env.Now, env.NewID)}
	if o.Redis.IsZero() || env.DryRun {
		t.memory = &memory{window: o.Window.D(), size: o.Size, now: env.Now, known: map[key]bool{}}
		return t, nil
	}
	conn, err := redisconn.ParseOptions("redis", o.Redis, o.TLS)
	if err != nil {
		return nil, err
	}
	t.shared = &shared{conn: conn, url: o.Redis, prefix: o.Prefix, window: o.Window.D()}
	return t, nil
}

type transform struct {
	opts   Options
	eval   expr.Evaluator
	text   []byte
	memory *memory // one of the two
	shared *shared
}

// key identifies an event: 128 bits of a hash, of any text.
type key [16]byte

// Apply is part of [plugin.Transform].
func (t *transform) Apply(ctx context.Context, e *event.Event, emit func(*event.Event)) error {
	var err error
	if t.text, _, err = t.eval.Text(t.text[:0], t.opts.By, e); err != nil {
		return fmt.Errorf("by: %w", err)
	}
	if len(t.text) == 0 {
		emit(e)
		return nil
	}
	sum := sha256.Sum256(t.text)
	k, seen := key(sum[:]), false
	if t.shared != nil {
		seen, err = t.shared.seen(ctx, k)
	} else {
		seen = t.memory.seen(k)
	}
	if err != nil || seen {
		return err
	}
	emit(e)
	return nil
}

// Close is part of [plugin.Closer].
func (t *transform) Close(context.Context) error {
	if t.shared == nil {
		return nil
	}
	return t.shared.close()
}
