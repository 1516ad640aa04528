package router

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/plugin"
)

// keyed emits n events whose payload is their number, and whose number modulo keys
// is what `key: number % keys` gives.
func keyed(n int) plugin.Source {
	return sourceFunc(func(ctx context.Context, out plugin.Output) error {
		out.Ready()
		for i := range n {
			e := &event.Event{Time: time.Now(), Data: fmt.Appendf(nil, `{"number":%d}`, i)}
			if i == 5 {
				e.Data = []byte("no json")
			}
			if err := out.Emit(ctx, event.Batch{Events: []*event.Event{e}}); err != nil {
				return err
			}
		}
		<-ctx.Done()
		return nil
	})
}

// TestWorkersKeepTheOrderOfKeys: writes overlap, but not those of one key.
func TestWorkersKeepTheOrderOfKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		got, busy := map[string][]string{}, map[string]bool{}
		most, now := 0, 0
		sink := sinkFunc(func(_ context.Context, events []*event.Event) error {
			mu.Lock()
			now++
			most = max(most, now)
			for _, e := range events {
				if busy[e.Key] {
					t.Errorf("two writes of key %s at the same time", e.Key)
				}
			}
			for _, e := range events {
				busy[e.Key] = true
			}
			mu.Unlock()
			time.Sleep(time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			for _, e := range events {
				got[e.Key] = append(got[e.Key], string(e.Data))
				busy[e.Key] = false
			}
			now--
			return nil
		})
		spec := sourceSpec("in", keyed(400))
		key, err := expr.Compile("number % 16")
		if err != nil {
			t.Fatal(err)
		}
		spec.Capture.Key = key
		r := start(t, Graph{
			Sources: []SourceSpec{spec},
			Sinks:   []SinkSpec{sinkSpec("out", sink, func(d *delivery.Options) { d.Workers, d.Queue.Batch = 4, 3 })},
			Routes:  routeTo("out"),
		})
		time.Sleep(time.Minute)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if most < 2 || len(got) != 17 || len(got[""]) != 1 {
			t.Errorf("at most %d writes at the same time, %d keys", most, len(got))
		}
		for key, events := range got {
			number := func(text string) (n int) { fmt.Sscanf(text, `{"number":%d}`, &n); return n }
			if !slices.IsSortedFunc(events, func(a, b string) int { return number(a) - number(b) }) {
				t.Errorf("key %s: %v", key, events)
			}
		}
		if st := r.Status(); st.Sinks[0].Delivered != 400 || st.Sources[0].Keyless != 1 {
			t.Errorf("%+v", st)
		}
	})
}
