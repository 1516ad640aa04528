package plugintest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

func onAck(name, rule string, f func(*lines, func(error)) func(error)) planted {
	return sourceFault(name, rule, lineHooks{replays: true, ack: f})
}

// sourceAckFaults are faults in what a source does when a batch is settled.
func sourceAckFaults() []planted {
	hang := make(chan struct{})
	var ids atomic.Int64
	logs := func(name, rule string, f func(*lines, plugin.Output, context.Context, event.Batch) error) planted {
		return sourceFault(name, rule, lineHooks{replays: true, emit: f})
	}
	return []planted{
		onAck("Ack blocks", ruleAck, func(*lines, func(error)) func(error) { return func(error) { <-hang } }),
		onAck("Ack panics", rulePanics, func(*lines, func(error)) func(error) { return func(error) { panic("planted") } }),
		onAck("Ack panics when Run has returned", rulePanics, func(s *lines, ack func(error)) func(error) {
			return func(err error) {
				if s.over.Load() {
					panic("planted")
				}
				ack(err)
			}
		}),
		onAck("Ack needs the goroutine that emits", ruleAck, func() func(*lines, func(error)) func(error) {
			one := make(chan struct{}, 1)
			return func(_ *lines, ack func(error)) func(error) {
				return func(err error) { one <- struct{}{}; ack(err) } // nothing takes it any more
			}
		}()),
		onAck("acks are forgotten", ruleReplays, func(*lines, func(error)) func(error) { return func(error) {} }),
		onAck("a nack is taken for an ack", ruleReplays, func(_ *lines, ack func(error)) func(error) { return func(error) { ack(nil) } }),
		onAck("an ack is saved before it comes", ruleReplays, func(_ *lines, ack func(error)) func(error) { ack(nil); return func(error) {} }),
		onAck("an ack is saved although one before it is open", ruleReplays, func(s *lines, ack func(error)) func(error) {
			n, turn := s.o.s.taken(), s.o.s.turn()
			return func(err error) {
				if err == nil {
					s.o.s.ack(turn, n)
				}
				ack(err)
			}
		}),
		logs("a batch has no Ack", ruleReplays, func(_ *lines, out plugin.Output, ctx context.Context, b event.Batch) error {
			b.Ack = nil
			return out.Emit(ctx, b)
		}),
		logs("an event that is replayed has another ID", ruleReplays, func(_ *lines, out plugin.Output, ctx context.Context, b event.Batch) error {
			b.Events[0].ID = string(rune('a' + ids.Add(1)))
			return out.Emit(ctx, b)
		}),
		logs("an event that is replayed has no ID", ruleReplays, func(_ *lines, out plugin.Output, ctx context.Context, b event.Batch) error {
			b.Events[0].ID = ""
			return out.Emit(ctx, b)
		}),
		logs("an event that is replayed has other bytes", ruleReplays, func() func(*lines, plugin.Output, context.Context, event.Batch) error {
			var seen sync.Map
			return func(_ *lines, out plugin.Output, ctx context.Context, b event.Batch) error {
				if _, again := seen.LoadOrStore(b.Events[0].ID+string(b.Events[0].Data), true); again {
					b.Events[0].Data = []byte("again")
				}
				return out.Emit(ctx, b)
			}
		}()),
		logs("Tried panics", rulePanics, func(_ *lines, out plugin.Output, ctx context.Context, b event.Batch) error {
			b.Tried = func(int, time.Time) { panic("planted") }
			return out.Emit(ctx, b)
		}),
		logs("Tried blocks", ruleAck, func(_ *lines, out plugin.Output, ctx context.Context, b event.Batch) error {
			b.Tried = func(int, time.Time) { <-hang }
			return out.Emit(ctx, b)
		}),
		sourceFault("Run returns nil after a nack", ruleReplays, lineHooks{replays: true, run: func(s *lines, ctx context.Context, out plugin.Output) error {
			err := s.run(ctx, out)
			if errors.Is(err, errGivenBack) {
				return nil
			}
			return err
		}}),
	}
}
