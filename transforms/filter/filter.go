// Package filter is the transform filter: it drops events for which a condition does not hold.
package filter

import (
	"context"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/plugin"
)

// Options of the transform.
type Options struct {
	When expr.Condition `koanf:"when" rule:"required" doc:"condition over the payload that an event must meet to go on"`
}

// Type describes the transform.
func Type() plugin.TransformType {
	return plugin.NewTransform("filter", "Drops events for which a condition does not hold.",
		func() Options { return Options{} }, build).With(plugin.KeepsFields)
}

func build(o Options, env plugin.Env) (plugin.Transform, error) {
	return &transform{opts: o, eval: expr.NewEvaluator(env.Now, env.NewID)}, nil
}

type transform struct {
	opts Options
	eval expr.Evaluator
}

// Apply is part of [plugin.Transform].
func (t *transform) Apply(_ context.Context, e *event.Event, emit func(*event.Event)) error {
	ok, err := t.eval.True(t.opts.When, e)
	if err != nil || !ok {
		return err
	}
	emit(e)
	return nil
}
