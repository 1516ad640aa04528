package router

import (
	"context"
	"errors"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/ack"
	"eventgateway/gateway/internal/queue"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/plugin"
)

var errNoAck = errors.New("the plugin has called TryEmit for a batch without an Ack: set Batch.Ack")

// TryEmit is part of [plugin.Output].
func (o *output) TryEmit(batches ...event.Batch) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over.Load() {
		return plugin.ErrNotRunning
	}
	var load queue.Load
	for _, b := range batches {
		load.Add(b.Events)
		for _, e := range b.Events {
			if e == nil {
				o.s.violation(errNilEvent)
				return errNilEvent
			}
		}
		if b.Ack == nil {
			o.s.violation(errNoAck)
			return errNoAck
		}
	}
	if err := o.s.checkRoom(load); err != nil {
		o.s.record.Refused(uint64(load.Events))
		return err
	}
	ctx := queue.WithoutWaiting(o.ctx)
	for _, b := range batches {
		_ = o.s.emit(ctx, b, o) // its Ack gets the error
	}
	return nil
}

// checkRoom returns an error where the queue of a sink of the source has no room.
func (s *source) checkRoom(l queue.Load) (err error) {
	s.wiring.Use(func(routes []wired) {
		for _, w := range routes {
			if err == nil {
				err = checkRoom(w.to, l)
			}
		}
	})
	return err
}

func checkRoom(to []*edge, l queue.Load) error {
	for _, e := range to {
		if err := e.sink.Queue().CheckRoom(l, !e.sink.Options.BestEffort); err != nil {
			return err
		}
	}
	return nil
}

// acquire locks the transforms of the route. Another source may hold them while it waits for room in a sink: then a caller that does not wait
// gets [plugin.ErrNoRoom].
func (r *route) acquire(ctx context.Context, events []*event.Event, to []*edge) error {
	if r.busy.TryLock() {
		return nil
	}
	if queue.Waits(ctx) {
		r.busy.Lock()
		return nil
	}
	var load queue.Load
	load.Add(events)
	for !r.busy.TryLock() {
		if err := checkRoom(to, load); err != nil {
			return err
		}
		time.Sleep(50 * time.Microsecond) // a batch of another source is under way
	}
	return nil
}

// returnEvents returns events for which there is no room to their source. It marks all as taken, so that no route with else gets them.
func (r *route) returnEvents(events []*event.Event, taken []bool, rec *ack.Receipt, err error) {
	n := uint64(len(events))
	rec.Add(len(events))
	for i := range events {
		if taken != nil {
			taken[i] = true
		}
		rec.Done(err)
	}
	r.record.Add(&stats.RouteCounts{In: n, Returned: n})
}
