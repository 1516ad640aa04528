// Package cloudevents is the transform cloudevents: it wraps payloads into CloudEvents in JSON, or
// unwraps them. It follows CloudEvents 1.0.2 and its JSON Event Format.
package cloudevents

import (
	"context"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/plugin"
)

// Options of the transform.
type Options struct {
	Mode    string        `koanf:"mode" rule:"oneof=wrap|unwrap" doc:"wrap makes the payload the data of a CloudEvent"`
	Type    expr.Template `koanf:"ce_type" doc:"for wrap: the attribute type, such as com.example.order.{{ lower(operation) }}"`
	Source  expr.Template `koanf:"ce_source" doc:"for wrap: the attribute source, a URI reference"`
	Subject expr.Template `koanf:"ce_subject" doc:"for wrap: the attribute subject; empty: none"`
}

// Docs is part of [options.Documented].
func (Options) Docs() map[string]string {
	return map[string]string{
		"mode": "unwrap makes the data of a CloudEvent the payload, its id the event's ID, and its other attributes those of the event: ce_type, ce_source ...",
	}
}

// Type describes the transform.
func Type() plugin.TransformType {
	return plugin.NewTransform("cloudevents", "Wraps payloads into CloudEvents, or unwraps them.",
		func() Options {
			return Options{Mode: "wrap", Source: expr.MustTemplate("/{{ event.source }}/{{ event.channel }}")}
		}, build)
}

// Check is part of [options.Checker].
func (o *Options) Check(report func(option, text string)) {
	if o.Mode == "wrap" && o.Type.IsZero() {
		report("ce_type", "is required for wrap: the specification asks for a type")
	}
	if o.Mode == "wrap" && o.Source.IsZero() {
		report("ce_source", "is required for wrap: the specification asks for a source")
	}
	if o.Mode == "unwrap" && !o.Type.IsZero() {
		report("ce_type", "is for wrap")
	}
}

func build(o Options, env plugin.Env) (plugin.Transform, error) {
	if o.Mode == "unwrap" {
		return newUnwrap(), nil
	}
	return &wrap{opts: o, env: env, eval: expr.NewEvaluator(env.Now, env.NewID)}, nil
}

type wrap struct {
	opts Options
	env  plugin.Env
	eval expr.Evaluator
}

// Apply is part of [plugin.Transform].
func (w *wrap) Apply(_ context.Context, e *event.Event, emit func(*event.Event)) error {
	data, err := w.envelope(e)
	if err != nil {
		return err
	}
	emit(e.WithData(data))
	return nil
}
