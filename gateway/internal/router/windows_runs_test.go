package router

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/settle"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// TestWindowsOfTwoRunsKeepTheOrder: events of a later run do not overtake those of an earlier one.
func TestWindowsOfTwoRunsKeepTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, runs := &keeps{}, 0
		source := sourceFunc(func(ctx context.Context, o plugin.Output) error {
			o.Ready()
			emit := func(texts ...string) {
				for _, text := range texts {
					_ = o.Emit(ctx, event.Batch{Events: []*event.Event{{Key: "k", Data: []byte(text)}}, Ack: ackTo(func(error) {})})
				}
			}
			if runs++; runs == 1 {
				emit("0")
				return errors.New("connection lost")
			}
			emit("1", "2", "3")
			<-ctx.Done()
			return nil
		})
		spec := sourceSpec("in", source)
		spec.Type = spec.Type.With(plugin.Replays)
		g := windowed(source, out, batchSpec(passes, func(w *Window) { w.Size, w.Time = 2, options.Duration(time.Minute) }))
		g.Sources[0] = spec
		r := start(t, g)
		time.Sleep(10 * time.Second)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if got := texts(out.got); !slices.Equal(got, []string{"0", "1", "2", "3"}) {
			t.Errorf("got %q", got)
		}
	})
}

// TestWindowsWithAndWithoutAcksKeepTheOrder: a source may emit both.
func TestWindowsWithAndWithoutAcksKeepTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &keeps{}
		source := sourceFunc(func(ctx context.Context, o plugin.Output) error {
			o.Ready()
			for i := range 4 {
				var a *settle.Ack
				if i > 0 {
					a = ackTo(func(error) {})
				}
				_ = o.Emit(ctx, event.Batch{Events: []*event.Event{{Key: "k", Data: fmt.Append(nil, i)}}, Ack: a})
			}
			<-ctx.Done()
			return nil
		})
		r := start(t, windowed(source, out, batchSpec(passes, func(w *Window) { w.Size, w.Time = 2, options.Duration(time.Minute) })))
		time.Sleep(10 * time.Second)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if got := texts(out.got); !slices.Equal(got, []string{"0", "1", "2", "3"}) {
			t.Errorf("got %q", got)
		}
	})
}
