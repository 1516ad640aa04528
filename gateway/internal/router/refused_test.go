package router

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// TestRefusedEventsAreParked: no sink gets them, and each route parks them, or gives them
// back where it cannot.
func TestRefusedEventsAreParked(t *testing.T) {
	for _, letters := range []string{"parked", ""} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			var told []error
			settled := func(err error) { mu.Lock(); defer mu.Unlock(); told = append(told, err) }
			out, parked := &keeps{}, &keeps{}
			source := sourceFunc(func(ctx context.Context, o plugin.Output) error {
				o.Ready()
				for n, refused := range []error{nil, errors.New("deadly"), nil} {
					_ = o.Emit(ctx, event.Batch{Events: []*event.Event{{Data: fmt.Append(nil, n)}}, DeadLetter: refused, Ack: ackTo(settled)})
				}
				<-ctx.Done()
				return nil
			})
			routes := routeTo("out")
			routes[0].DeadLetter = letters
			r := start(t, Graph{Sources: []SourceSpec{sourceSpec("in", source)}, Sinks: []SinkSpec{sinkSpec("out", out, nil), sinkSpec("parked", parked, nil)}, Routes: routes})
			synctest.Wait()
			if err := r.stop(); err != nil {
				t.Error(err)
			}
			if got := fmt.Sprint(texts(out.got)); got != "[0 2]" || len(told) != 3 {
				t.Errorf("the sink got %s, and the source was told %v", got, told)
			}
			failed := errors.Join(told...)
			if letters == "" {
				if len(parked.got) != 0 || failed == nil || failed.Error() != "deadly" {
					t.Errorf("without a dead_letter sink: %d parked, %v", len(parked.got), failed)
				}
				return
			}
			if got := fmt.Sprint(texts(parked.got)); got != "[1]" || failed != nil {
				t.Errorf("parked %s, %v", got, failed)
			}
			if reason, _ := parked.got[0].Attr(plugin.DeadLetterReason); reason != "deadly" {
				t.Errorf("the reason is %q", reason)
			}
		})
	}
}
