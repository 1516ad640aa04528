package plugintest

import (
	"context"
	"testing"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// preparing is a transform that prepares its events: it makes the results of Apply before.
type preparing struct {
	*upper
	made  []*event.Event // of the events that follow
	fault string
}

func (p *preparing) Prepare(ctx context.Context, events []*event.Event) {
	if p.fault != "appends" {
		p.made = nil
	}
	for _, e := range events {
		p.made = append(p.made, e.WithData(nil))
		_ = p.upper.apply(ctx, e, func(out *event.Event) { p.made[len(p.made)-1] = out })
		if p.fault == "changes" {
			e.Key = "x"
		}
	}
}

func (p *preparing) Apply(ctx context.Context, e *event.Event, emit func(*event.Event)) error {
	if len(p.made) == 0 {
		return p.upper.apply(ctx, e, emit)
	}
	made := p.made[0]
	if p.made = p.made[1:]; p.fault == "ignores errors" && made.Data == nil {
		return nil
	}
	return p.upper.apply(ctx, e, func(*event.Event) { emit(made) })
}

func preparingRules(fault string) func(testing.TB) []rule {
	return func(testing.TB) []rule {
		typ := plugin.NewTransform("upper", "Writes in upper case.", func() upperOptions { return upperOptions{Most: 3} },
			func(o upperOptions, env plugin.Env) (plugin.Transform, error) {
				return &preparing{upper: &upper{o: o, env: env}, fault: fault}, nil
			})
		return transformRules(TransformHarness{Type: typ, Cases: upperCases})
	}
}

// prepareFaults returns faults in Prepare.
func prepareFaults() []planted {
	return []planted{
		{name: "transform: Prepare keeps the results of an earlier batch", rule: rulePrepare, rules: preparingRules("appends")},
		{name: "transform: Apply drops a prepared event on which it fails", rule: rulePrepare, rules: preparingRules("ignores errors")},
		{name: "transform: Prepare changes a key", rule: ruleEventUnchanged, rules: preparingRules("changes")},
	}
}
