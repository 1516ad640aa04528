package plugintest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

func onRun(name, rule string, f func(*lineSource, context.Context, plugin.Output) error) planted {
	return sourceFault(name, rule, lineHooks{run: f})
}

func onEmit(name, rule string, f func(*lineSource, plugin.Output, context.Context, event.Batch) error) planted {
	return sourceFault(name, rule, lineHooks{emit: f})
}

// readyAt is an Output whose Ready does something else.
type readyAt struct {
	plugin.Output
	ready func()
}

func (r readyAt) Ready() { r.ready() }

// sourceFaults returns faults in Run and in leaderships.
func sourceFaults() []planted {
	hang := make(chan struct{})
	var buffer []byte
	var shared event.Event
	var mu sync.Mutex
	var last atomic.Pointer[event.Event]
	return append(electorFaults(),
		onRun("Run ignores its context", ruleContext, func(s *lineSource, _ context.Context, out plugin.Output) error {
			return s.run(context.Background(), out)
		}),
		onRun("Run does not end while it connects", ruleContext, func(s *lineSource, ctx context.Context, out plugin.Output) error {
			conn, err := s.connect(context.Background())
			if err == nil {
				_, err = conn.Read(make([]byte, 1))
			}
			return plugin.UnlessDone(ctx, err)
		}),
		onRun("Run returns an error after its context has ended", ruleRunEnds, func(s *lineSource, ctx context.Context, out plugin.Output) error {
			_ = s.run(ctx, out)
			return errors.New("planted")
		}),
		onRun("Run returns the error of its context", ruleRunEnds, func(s *lineSource, ctx context.Context, out plugin.Output) error {
			_ = s.run(ctx, out)
			return ctx.Err()
		}),
		onRun("Run panics", rulePanics, func(*lineSource, context.Context, plugin.Output) error { panic("planted") }),
		onRun("Run returns nil while its server is unavailable", ruleRunFails, func(s *lineSource, ctx context.Context, out plugin.Output) error { _ = s.run(ctx, out); return nil }),
		onRun("Run returns nil after its connection was cut", ruleSourceReconnects, func(s *lineSource, ctx context.Context, out plugin.Output) error {
			ready := false
			err := s.run(ctx, readyAt{out, func() { ready = true; out.Ready() }})
			if ready {
				return nil
			}
			return err
		}),
		onRun("Run reconnects by itself", ruleRunFails, func(s *lineSource, ctx context.Context, out plugin.Output) error {
			for ctx.Err() == nil {
				_ = s.run(ctx, out)
				time.Sleep(20 * time.Millisecond)
			}
			return nil
		}),
		onRun("Run reconnects by itself, and reports no gap", ruleSourceReconnects, func(s *lineSource, ctx context.Context, out plugin.Output) error {
			once := sync.OnceFunc(out.Ready)
			for ctx.Err() == nil {
				if err := s.run(ctx, readyAt{out, once}); err != nil {
					time.Sleep(50 * time.Millisecond)
				}
			}
			return nil
		}),
		onRun("Run returns Permanent while its server is unavailable", ruleRunFails, func(s *lineSource, ctx context.Context, out plugin.Output) error {
			return plugin.Permanent(s.run(ctx, out))
		}),
		onRun("Run logs its error, too", ruleLogged, func(s *lineSource, ctx context.Context, out plugin.Output) error {
			err := s.run(ctx, out)
			if err != nil {
				s.env.Log.Error("connection lost", "error", err)
			}
			return err
		}),
		onRun("Run works only once", ruleRunAgain, func(s *lineSource, ctx context.Context, out plugin.Output) error {
			if s.runs > 2 {
				out.Ready()
				<-ctx.Done()
				return nil
			}
			return s.run(ctx, out)
		}),
		onRun("Run panics the second time", rulePanics, func(s *lineSource, ctx context.Context, out plugin.Output) error {
			if s.runs > 1 {
				panic("planted")
			}
			return s.run(ctx, out)
		}),
		onRun("Ready is never called", ruleReady, func(s *lineSource, ctx context.Context, out plugin.Output) error {
			return s.run(ctx, readyAt{out, func() {}})
		}),
		onRun("Ready is called after the first event", ruleReady, func(s *lineSource, ctx context.Context, out plugin.Output) error {
			_ = out.Emit(ctx, event.Batch{Events: []*event.Event{{Data: []byte("first")}}})
			return s.run(ctx, out)
		}),
		onRun("Ready is called twice", ruleReady, func(s *lineSource, ctx context.Context, out plugin.Output) error {
			return s.run(ctx, readyAt{out, func() { out.Ready(); out.Ready() }})
		}),
		onRun("Ready is called before Run connects", ruleReady, func(s *lineSource, ctx context.Context, out plugin.Output) error {
			out.Ready()
			return s.run(ctx, readyAt{out, func() {}})
		}),
		onRun("Ready is called while the server is unavailable", ruleRunFails, func(s *lineSource, ctx context.Context, out plugin.Output) error {
			out.Ready()
			return s.run(ctx, readyAt{out, func() {}})
		}),
		onRun("Ready is called after Run has returned", ruleAfterRun, func(s *lineSource, ctx context.Context, out plugin.Output) error {
			s.env.Go(func(context.Context) { <-ctx.Done(); time.Sleep(20 * time.Millisecond); out.Ready() })
			return s.run(ctx, out)
		}),
		onRun("Gap is called after Run has returned", ruleAfterRun, func(s *lineSource, ctx context.Context, out plugin.Output) error {
			s.env.Go(func(context.Context) { <-ctx.Done(); time.Sleep(20 * time.Millisecond); out.Gap("planted") })
			return s.run(ctx, out)
		}),
		onRun("the first Run reports a gap", ruleGaps, func(s *lineSource, ctx context.Context, out plugin.Output) error {
			out.Gap("planted")
			return s.run(ctx, out)
		}),
		onRun("a gap has no reason", ruleGaps, func(s *lineSource, ctx context.Context, out plugin.Output) error { out.Gap(""); return s.run(ctx, out) }),
		onEmit("Emit gets another context", ruleContext, func(_ *lineSource, out plugin.Output, _ context.Context, b event.Batch) error {
			return out.Emit(context.Background(), b)
		}),
		onEmit("each event is emitted twice", ruleEmitsOnce, func(_ *lineSource, out plugin.Output, ctx context.Context, b event.Batch) error {
			_ = out.Emit(ctx, b)
			return out.Emit(ctx, b)
		}),
		onEmit("an event is emitted after Run has returned", ruleAfterRun, func(s *lineSource, out plugin.Output, ctx context.Context, b event.Batch) error {
			s.env.Go(func(context.Context) { <-ctx.Done(); time.Sleep(20 * time.Millisecond); _ = out.Emit(ctx, b) })
			return out.Emit(ctx, b)
		}),
		onEmit("a batch has a nil event", ruleEmitsOnce, func(_ *lineSource, out plugin.Output, ctx context.Context, b event.Batch) error {
			return out.Emit(ctx, event.Batch{Events: append(b.Events, nil)})
		}),
		onEmit("nothing is emitted", ruleEmitsOnce, func(*lineSource, plugin.Output, context.Context, event.Batch) error { return nil }),
		onEmit("events are emitted in another order", ruleEmitsOnce, func() func(*lineSource, plugin.Output, context.Context, event.Batch) error {
			var buffered []*event.Event
			return func(_ *lineSource, out plugin.Output, ctx context.Context, b event.Batch) error {
				mu.Lock()
				buffered = append(buffered, b.Events...)
				if len(buffered) == 1 {
					mu.Unlock()
					return nil
				}
				all := slices.Clone(buffered)
				buffered = nil
				mu.Unlock()
				slices.Reverse(all)
				return out.Emit(ctx, event.Batch{Events: all})
			}
		}()),
		onEmit("a payload is changed", ruleEmitsOnce, func(_ *lineSource, out plugin.Output, ctx context.Context, b event.Batch) error {
			b.Events[0].Data = append(b.Events[0].Data, '\n')
			return out.Emit(ctx, b)
		}),
		onEmit("all events have the same ID", ruleEmitsOnce, func(_ *lineSource, out plugin.Output, ctx context.Context, b event.Batch) error {
			b.Events[0].ID = "1"
			return out.Emit(ctx, b)
		}),
		onEmit("the Source is another name", ruleEmitsOnce, func(_ *lineSource, out plugin.Output, ctx context.Context, b event.Batch) error {
			b.Events[0].Source = "lines"
			return out.Emit(ctx, b)
		}),
		onEmit("the Time is long ago", ruleEmitsOnce, func(_ *lineSource, out plugin.Output, ctx context.Context, b event.Batch) error {
			b.Events[0].Time = time.Unix(1, 0)
			return out.Emit(ctx, b)
		}),
		onEmit("events share a buffer", ruleEmittedUnchanged, func(_ *lineSource, out plugin.Output, ctx context.Context, b event.Batch) error {
			mu.Lock()
			buffer = append(buffer[:0], b.Events[0].Data...)
			b.Events[0].Data = buffer
			mu.Unlock()
			return out.Emit(ctx, b)
		}),
		onEmit("batches share an event", ruleEmittedUnchanged, func(_ *lineSource, out plugin.Output, ctx context.Context, b event.Batch) error {
			mu.Lock()
			shared = *b.Events[0]
			mu.Unlock()
			return out.Emit(ctx, event.Batch{Events: []*event.Event{&shared}})
		}),
		onEmit("a key is changed after Emit", ruleEmittedUnchanged, func(_ *lineSource, out plugin.Output, ctx context.Context, b event.Batch) error {
			err := out.Emit(ctx, b)
			b.Events[0].Key = "later"
			return err
		}),
		onEmit("attributes are added to the previous event", ruleEmittedUnchanged, func(_ *lineSource, out plugin.Output, ctx context.Context, b event.Batch) error {
			if old := last.Swap(b.Events[0]); old != nil {
				old.Attrs = append(old.Attrs, event.Attr{Name: "next"})
			}
			return out.Emit(ctx, b)
		}),
		onEmit("Run does not end while Emit blocks", ruleContext, func(_ *lineSource, out plugin.Output, ctx context.Context, b event.Batch) error {
			if err := out.Emit(ctx, b); err != nil {
				<-hang
			}
			return nil
		}),
	)
}
