package router

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

// preparer is a transform that records what it is told, and fails where it is told of the payload "panic".
type preparer struct{ calls *[]string }

func (p preparer) Prepare(_ context.Context, events []*event.Event) {
	*p.calls = append(*p.calls, fmt.Sprint("prepare ", texts(events)))
	if string(events[0].Data) == "panic" {
		panic("in Prepare")
	}
}

func (p preparer) Apply(_ context.Context, e *event.Event, emit func(*event.Event)) error {
	*p.calls = append(*p.calls, "apply "+string(e.Data))
	emit(e)
	return nil
}

// TestPrepare proves that a transform is told of all events of a batch before it gets each of them, that a single event is not
// announced, and that a panic costs no event.
func TestPrepare(t *testing.T) {
	var calls []string
	delivered := make(chan string, 10)
	source := sourceFunc(func(ctx context.Context, out plugin.Output) error {
		out.Ready()
		for _, batch := range []string{"a b c", "d", "panic e"} {
			var b event.Batch
			for payload := range strings.FieldsSeq(batch) {
				b.Events = append(b.Events, &event.Event{Source: "in", Time: time.Now(), Data: []byte(payload)})
			}
			if err := out.Emit(ctx, b); err != nil {
				return plugin.UnlessDone(ctx, err)
			}
		}
		<-ctx.Done()
		return nil
	})
	typ := plugin.NewTransform("test", "", func() none { return none{} }, func(none, plugin.Env) (plugin.Transform, error) { return preparer{&calls}, nil })
	route := routeTo("out")
	route[0].Through = []TransformSpec{{Name: "t", Type: typ, Options: typ.Defaults(), Failure: DefaultFailure()}}
	r := start(t, Graph{Sources: []SourceSpec{sourceSpec("in", source)}, Routes: route, Sinks: []SinkSpec{sinkSpec("out", sinkFunc(func(_ context.Context, events []*event.Event) error {
		for _, e := range events {
			delivered <- string(e.Data)
		}
		return nil
	}), nil)}})
	for _, want := range []string{"a", "b", "c", "d", "panic", "e"} {
		select {
		case got := <-delivered:
			if got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		case <-time.After(testenv.Wait):
			t.Fatal("no ", want)
		}
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	want := "prepare [a b c]|apply a|apply b|apply c|apply d|prepare [panic e]|apply panic|apply e"
	if got := strings.Join(calls, "|"); got != want {
		t.Errorf("called %s", got)
	}
}
