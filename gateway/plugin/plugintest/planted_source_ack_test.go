package plugintest

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"

	"eventgateway/gateway/event"
	"eventgateway/gateway/inflight"
	"eventgateway/gateway/plugin"
)

func onSave(name, rule string, f func(*lineSource, *inflight.PositionTracker[int], int) error) planted {
	return sourceFault(name, rule, lineHooks{replays: true, save: f})
}

// sourceAckFaults returns faults in how a source handles acks and nacks. An Ack is not code of the plugin, so
// faults within Ack itself cannot be planted.
func sourceAckFaults() []planted {
	hang := make(chan struct{})
	var ids atomic.Int64
	logs := func(name, rule string, f func(*lineSource, plugin.Output, context.Context, event.Batch) error) planted {
		return sourceFault(name, rule, lineHooks{replays: true, emit: f})
	}
	return []planted{
		onSave("it hangs after a batch is settled", ruleContext, func(*lineSource, *inflight.PositionTracker[int], int) error { <-hang; return nil }),
		onSave("acks are ignored", ruleReplays, func(s *lineSource, flight *inflight.PositionTracker[int], _ int) error {
			if _, failed := flight.State(); failed != nil {
				return errNacked
			}
			return nil
		}),
		onSave("nacks are ignored", ruleReplays, func(s *lineSource, flight *inflight.PositionTracker[int], turn int) error {
			s.o.s.ack(turn, flight.Acked())
			return nil
		}),
		onSave("a nack is saved as an ack", ruleReplays, func(s *lineSource, flight *inflight.PositionTracker[int], turn int) error {
			if s.o.s.ack(turn, flight.Acked()); flight.Unacked() != nil {
				if _, failed := flight.State(); failed != nil {
					s.o.s.ack(turn, flight.Unacked()[0])
				}
			}
			return nil
		}),
		onSave("an ack is saved before an earlier one", ruleReplays, func(s *lineSource, flight *inflight.PositionTracker[int], turn int) error {
			if _, above := flight.AckedSpans(); above != nil {
				s.o.s.ack(turn, above[len(above)-1].Last)
			}
			return s.save(flight, turn)
		}),
		logs("a batch is saved as acked before Emit", ruleReplays, func(s *lineSource, out plugin.Output, ctx context.Context, b event.Batch) error {
			n, _ := strconv.Atoi(b.Events[0].ID)
			s.o.s.ack(s.o.s.generation(), n+1)
			return out.Emit(ctx, b)
		}),
		logs("a slice is reused before its batch is settled", ruleAcks, func() func(*lineSource, plugin.Output, context.Context, event.Batch) error {
			scratch := make([]*event.Event, 1)
			return func(_ *lineSource, out plugin.Output, ctx context.Context, b event.Batch) error {
				scratch[0] = b.Events[0]
				b.Events = scratch
				return out.Emit(ctx, b)
			}
		}()),
		logs("a slice is cleared after Emit", ruleAcks, func(_ *lineSource, out plugin.Output, ctx context.Context, b event.Batch) error {
			err := out.Emit(ctx, b)
			clear(b.Events)
			return err
		}),
		logs("two batches have the same Ack", ruleAcks, func(_ *lineSource, out plugin.Output, ctx context.Context, b event.Batch) error {
			_ = out.Emit(ctx, b)
			return out.Emit(ctx, b)
		}),
		logs("a batch has no Ack", ruleReplays, func(_ *lineSource, out plugin.Output, ctx context.Context, b event.Batch) error {
			b.Ack = nil
			return out.Emit(ctx, b)
		}),
		logs("a redelivered event has another ID", ruleReplays, func(_ *lineSource, out plugin.Output, ctx context.Context, b event.Batch) error {
			b.Events[0].ID = string(rune('a' + ids.Add(1)))
			return out.Emit(ctx, b)
		}),
		logs("a redelivered event has no ID", ruleReplays, func(_ *lineSource, out plugin.Output, ctx context.Context, b event.Batch) error {
			b.Events[0].ID = ""
			return out.Emit(ctx, b)
		}),
		logs("a redelivered event has another payload", ruleReplays, func() func(*lineSource, plugin.Output, context.Context, event.Batch) error {
			var seen sync.Map
			return func(_ *lineSource, out plugin.Output, ctx context.Context, b event.Batch) error {
				if _, loaded := seen.LoadOrStore(b.Events[0].ID+string(b.Events[0].Data), true); loaded {
					b.Events[0].Data = []byte("redelivered")
				}
				return out.Emit(ctx, b)
			}
		}()),
		sourceFault("Run returns nil after a nack", ruleReplays, lineHooks{replays: true, run: func(s *lineSource, ctx context.Context, out plugin.Output) error {
			err := s.run(ctx, out)
			if errors.Is(err, errNacked) {
				return nil
			}
			return err
		}}),
	}
}
