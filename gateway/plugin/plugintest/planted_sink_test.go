package plugintest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// onWrite plants a fault in Write.
func onWrite(name, rule string, f func(*post, context.Context, []*event.Event) error) planted {
	return sinkFault(name, rule, sinkHooks{write: f})
}

// sinkFaults returns faults in how Write and Gap handle events.
func sinkFaults() []planted {
	hang := make(chan struct{})
	var all []*event.Event
	var mu sync.Mutex
	return []planted{
		onWrite("Write ignores its context", ruleContext, func(s *post, _ context.Context, e []*event.Event) error { <-hang; return nil }),
		onWrite("Write sends without its context", ruleContext, func(s *post, _ context.Context, e []*event.Event) error { return s.Write(context.Background(), e) }),
		onWrite("Write panics", rulePanics, func(*post, context.Context, []*event.Event) error { panic("planted") }),
		onWrite("Write panics on an event without a payload", rulePanics, func(s *post, ctx context.Context, e []*event.Event) error {
			for _, e := range e {
				_ = e.Data[0]
			}
			return s.Write(ctx, e)
		}),
		onWrite("Write panics on an event without attributes", rulePanics, func(s *post, ctx context.Context, e []*event.Event) error {
			for _, e := range e {
				_ = e.Attrs[0]
			}
			return s.Write(ctx, e)
		}),
		onWrite("Write delivers twice", ruleDelivers, func(s *post, ctx context.Context, e []*event.Event) error {
			_ = s.Write(ctx, e)
			return s.Write(ctx, e)
		}),
		onWrite("Write delivers the last event twice", ruleDelivers, func(s *post, ctx context.Context, e []*event.Event) error {
			return s.Write(ctx, append(slices.Clone(e), e[len(e)-1]))
		}),
		onWrite("Write delivers nothing", ruleDelivers, func(*post, context.Context, []*event.Event) error { return nil }),
		onWrite("Write does not deliver the last event", ruleDelivers, func(s *post, ctx context.Context, e []*event.Event) error { return s.Write(ctx, e[:len(e)-1]) }),
		onWrite("Write delivers in another order", ruleDelivers, func(s *post, ctx context.Context, e []*event.Event) error {
			e = slices.Clone(e)
			slices.Reverse(e)
			return s.Write(ctx, e)
		}),
		onWrite("Write changes a payload", ruleUnchanged, func(s *post, ctx context.Context, e []*event.Event) error { e[0].Data[0] = ' '; return s.Write(ctx, e) }),
		onWrite("Write replaces a payload", ruleUnchanged, func(s *post, ctx context.Context, e []*event.Event) error {
			e[0].Data = []byte("x")
			return s.Write(ctx, e)
		}),
		onWrite("Write appends to a payload", ruleUnchanged, func(s *post, ctx context.Context, e []*event.Event) error {
			_ = append(e[0].Data, '\n')
			return s.Write(ctx, e)
		}),
		onWrite("Write changes a key", ruleUnchanged, func(s *post, ctx context.Context, e []*event.Event) error { e[0].Key = "x"; return s.Write(ctx, e) }),
		onWrite("Write changes a time", ruleUnchanged, func(s *post, ctx context.Context, e []*event.Event) error {
			e[0].Time = e[0].Time.Add(time.Hour)
			return s.Write(ctx, e)
		}),
		onWrite("Write changes an attribute", ruleUnchanged, func(s *post, ctx context.Context, e []*event.Event) error {
			if len(e[0].Attrs) > 0 {
				e[0].Attrs[0].Value = "x"
			}
			return s.Write(ctx, e)
		}),
		onWrite("Write adds an attribute", ruleUnchanged, func(s *post, ctx context.Context, e []*event.Event) error {
			e[0].Attrs = append(e[0].Attrs, event.Attr{Name: "x"})
			return s.Write(ctx, e)
		}),
		onWrite("Write appends to attributes", ruleUnchanged, func(s *post, ctx context.Context, e []*event.Event) error {
			_ = append(e[0].Attrs, event.Attr{Name: "x"})
			return s.Write(ctx, e)
		}),
		onWrite("Write changes a fence", ruleUnchanged, func(s *post, ctx context.Context, e []*event.Event) error {
			if e[0].Fence != nil {
				e[0].Fence.Term++
			}
			return s.Write(ctx, e)
		}),
		withRace(onWrite("Write changes an event after it has returned", ruleUnchanged, func(s *post, ctx context.Context, e []*event.Event) error {
			err := s.Write(ctx, e)
			first := e[0]
			time.AfterFunc(time.Millisecond, func() { first.Key = "later" })
			time.Sleep(5 * time.Millisecond)
			return err
		})),
		onWrite("Write clears the slice", ruleUnchanged, func(s *post, ctx context.Context, e []*event.Event) error {
			err := s.Write(ctx, e)
			clear(e)
			return err
		}),
		onWrite("Write appends to the slice", ruleUnchanged, func(s *post, ctx context.Context, e []*event.Event) error {
			_ = append(e, &event.Event{})
			return s.Write(ctx, e)
		}),
		onWrite("Write sorts the slice", ruleUnchanged, func(s *post, ctx context.Context, e []*event.Event) error {
			err := s.Write(ctx, e)
			slices.Reverse(e)
			return err
		}),
		onWrite("Write delivers the slice in the next call", ruleSliceReuse, func() func(*post, context.Context, []*event.Event) error {
			var retained []*event.Event
			return func(s *post, ctx context.Context, e []*event.Event) error {
				mu.Lock()
				defer mu.Unlock()
				old := retained
				retained = e
				return s.Write(ctx, old)
			}
		}()),
		withRace(onWrite("Write delivers after it has returned", ruleSliceReuse, func(s *post, _ context.Context, e []*event.Event) error {
			mu.Lock()
			all = append(all, e...)
			mu.Unlock()
			s.env.Go(func(ctx context.Context) {
				time.Sleep(20 * time.Millisecond)
				for i := range e {
					mu.Lock()
					one := *e[i]
					mu.Unlock()
					_ = s.Write(ctx, []*event.Event{&one})
				}
			})
			return nil
		})),
		onWrite("one invalid event fails its batch", ruleAnyEvent, func(s *post, ctx context.Context, e []*event.Event) error {
			for _, e := range e {
				if len(e.Data) == 0 {
					return plugin.Permanent(errors.New("the event is empty"))
				}
			}
			return s.Write(ctx, e)
		}),
		onWrite("one invalid event is Unavailable", ruleAnyEvent, func(s *post, ctx context.Context, e []*event.Event) error {
			for _, e := range e {
				if len(e.Data) > 1<<19 {
					return plugin.Unavailable(errors.New("the event is too large"))
				}
			}
			return s.Write(ctx, e)
		}),
		onWrite("one invalid event disables the sink", ruleAnyEvent, func(s *post, ctx context.Context, e []*event.Event) error {
			for _, e := range e {
				if string(e.Data) == "null" {
					return plugin.Disabling(errors.New("the event is null"))
				}
			}
			return s.Write(ctx, e)
		}),
		onWrite("two writers share a buffer", ruleConcurrent, func() func(*post, context.Context, []*event.Event) error {
			var buffer []byte
			var mu sync.Mutex
			return func(s *post, ctx context.Context, e []*event.Event) error {
				for _, e := range e {
					mu.Lock()
					buffer = append(buffer[:0], e.Data...)
					one := *e
					mu.Unlock()
					time.Sleep(time.Millisecond)
					mu.Lock()
					one.Data = slices.Clone(buffer)
					mu.Unlock()
					if err := s.Write(ctx, []*event.Event{&one}); err != nil {
						return err
					}
				}
				return nil
			}
		}()),
		sinkFault("Gap fails", ruleGap, sinkHooks{gap: func(*post, context.Context, plugin.Gap) error { return errors.New("planted") }}),
		sinkFault("Gap is sent as an event", ruleGap, sinkHooks{gap: func(s *post, ctx context.Context, _ plugin.Gap) error {
			return s.Write(ctx, []*event.Event{{Data: []byte("gap")}})
		}}),
		sinkFault("Gap panics", rulePanics, sinkHooks{gap: func(_ *post, _ context.Context, g plugin.Gap) error {
			if g.Source == "" {
				panic("planted")
			}
			return nil
		}}),
		sinkFault("Gap ignores its context", ruleContext, sinkHooks{gap: func(_ *post, ctx context.Context, _ plugin.Gap) error {
			if ctx.Err() != nil {
				<-hang
			}
			return nil
		}}),
	}
}
