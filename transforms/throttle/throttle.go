// Package throttle is the transform throttle: it limits the rate of events, and drops the others.
package throttle

import (
	"context"
	"fmt"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// Options of the transform.
type Options struct {
	Events int              `koanf:"events" rule:"min=1" doc:"maximum of events in the time per, also at once"`
	Per    options.Duration `koanf:"per" rule:"min=1ms" doc:"the time"`
	By     expr.Expression  `koanf:"by" doc:"expression; the events of each of its values have a limit of their own. Without it all share one"`
	Keys   int              `koanf:"keys" rule:"min=1" doc:"maximum of values of by in memory; beyond it the least recently used one is forgotten"`
}

// Type describes the transform.
func Type() plugin.TransformType {
	return plugin.NewTransform("throttle", "Limits the rate of events, and drops the others.",
		func() Options { return Options{Per: options.Duration(1e9), Keys: 10_000} }, build).With(plugin.Stateful, plugin.KeepsFields)
}

func build(o Options, env plugin.Env) (plugin.Transform, error) {
	t := &transform{opts: o, env: env, eval: expr.NewEvaluator(env.Now, env.NewID)}
	var err error
	t.buckets, err = simplelru.NewLRU[string, *rate.Limiter](o.Keys, nil)
	return t, err
}

type transform struct {
	opts    Options
	env     plugin.Env
	eval    expr.Evaluator
	buckets *simplelru.LRU[string, *rate.Limiter] // by value of by
}

// Apply is part of [plugin.Transform].
func (t *transform) Apply(_ context.Context, e *event.Event, emit func(*event.Event)) error {
	var key []byte
	if !t.opts.By.IsZero() {
		var err error
		if key, _, err = t.eval.Text(nil, t.opts.By, e); err != nil {
			return fmt.Errorf("by: %w", err)
		}
	}
	b, ok := t.buckets.Get(string(key))
	if !ok {
		b = rate.NewLimiter(rate.Limit(float64(t.opts.Events)/t.opts.Per.D().Seconds()), t.opts.Events)
		t.buckets.Add(string(key), b)
	}
	if b.AllowN(t.env.Now(), 1) {
		emit(e)
	}
	return nil
}
