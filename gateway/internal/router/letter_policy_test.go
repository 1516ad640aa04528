package router

import (
	"context"
	"errors"
	"strings"
	"testing"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// maskOptions are the options of a transform that hides a text.
type maskOptions struct {
	Hides string `koanf:"hides"`
}

type hidesText struct {
	transformFunc
	text string
}

func (h hidesText) Hide(payload []byte) ([]byte, error) {
	return []byte(strings.ReplaceAll(string(payload), h.text, "***")), nil
}

func hidesSpec(name, text string) TransformSpec {
	t := plugin.NewTransform("mask", "", func() maskOptions { return maskOptions{text} }, func(o maskOptions, _ plugin.Env) (plugin.Transform, error) {
		return hidesText{func(*event.Event, func(*event.Event)) error { return errors.New("no good") }, o.Hides}, nil
	}).With(plugin.KeepsFields)
	return TransformSpec{Name: name, Type: t, Options: t.Defaults(), Failure: DefaultFailure()}
}

// TestLettersStayMasked proves that a letter which was masked when it was parked shows the same values never, whatever the route masks after a reload.
func TestLettersStayMasked(t *testing.T) {
	settled := make(chan error, 10)
	graph := func(masks ...TransformSpec) Graph {
		route := routeTo("out")
		route[0].Through = masks
		return Graph{Sources: []SourceSpec{sourceSpec("in", sourceFunc(func(ctx context.Context, out plugin.Output) error {
			out.Ready()
			e := &event.Event{ID: "1", Data: []byte(`{"email":"ada","card":"4711"}`)}
			_ = out.Emit(ctx, event.Batch{Events: []*event.Event{e}, Ack: ackTo(func(err error) { settled <- err })})
			<-ctx.Done()
			return nil
		}))}, Sinks: []SinkSpec{sinkSpec("out", &keeps{}, nil)}, Routes: route}
	}
	shown := func(r *Router) string {
		l, err := r.DeadLetters().Get(1)
		if err != nil {
			t.Fatal(err)
		}
		data, err := r.LetterPolicy(&l).ShowPayload(l.Data)
		if err != nil {
			t.Error(err)
		}
		return string(data)
	}
	const all = `{"email":"***","card":"***"}`
	ada, card := hidesSpec("m", "ada"), hidesSpec("n", "4711")
	r, _ := startWithStore(t, graph(ada))
	if err := <-settled; err != nil {
		t.Fatal(err)
	}
	if got := shown(r.Router); got != `{"email":"***","card":"4711"}` {
		t.Errorf("before a reload: %s", got)
	}
	for name, masks := range map[string][]TransformSpec{"another mask": {hidesSpec("m", "4711")}, "no mask": nil, "one more mask": {card, ada}} {
		if err := r.reload(t, graph(masks...)); err != nil {
			t.Fatal(err)
		}
		if got := shown(r.Router); got != all {
			t.Errorf("%s: %s, want %s", name, got, all)
		}
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
}
