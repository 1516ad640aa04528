// Package sample is the transform sample: it keeps one of n events.
package sample

import (
	"context"
	"hash/fnv"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/plugin"
)

// Options of the transform.
type Options struct {
	OneIn int             `koanf:"one_in" rule:"min=1" doc:"n, of which one event goes on"`
	By    expr.Expression `koanf:"by" doc:"expression; all events of one of its values go on, or none, on every gateway"`
}

// Docs is part of [options.Documented].
func (Options) Docs() map[string]string {
	return map[string]string{
		"by": "Without it every one_in-th event goes on, beginning with the first",
	}
}

// Type describes the transform.
func Type() plugin.TransformType {
	return plugin.NewTransform("sample", "Keeps one of n events.",
		func() Options { return Options{} }, build).With(plugin.Stateful, plugin.KeepsFields)
}

func build(o Options, env plugin.Env) (plugin.Transform, error) {
	return &transform{opts: o, eval: expr.NewEvaluator(env.Now, env.NewID)}, nil
}

type transform struct {
	opts  Options
	eval  expr.Evaluator
	count int // events since the last that went on
	text  []byte
}

// Apply is part of [plugin.Transform].
func (t *transform) Apply(_ context.Context, e *event.Event, emit func(*event.Event)) error {
	if t.opts.By.IsZero() {
		t.count++
		if t.count == 1 {
			emit(e)
		}
		t.count %= t.opts.OneIn
		return nil
	}
	var err error
	if t.text, _, err = t.eval.Text(t.text[:0], t.opts.By, e); err != nil {
		return err
	}
	h := fnv.New64a()
	h.Write(t.text)
	// The low digits of FNV alone are not even; see "Lazy mod mapping" in its description.
	if sum := h.Sum64(); (sum^sum>>32)%uint64(t.opts.OneIn) == 0 {
		emit(e)
	}
	return nil
}
