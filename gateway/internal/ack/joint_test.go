package ack

import (
	"errors"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/inflight"
	"eventgateway/gateway/internal/stats"
)

// TestJoint: a joint receipt settles each of its members once, with the first error. That error counts for the order of
// their keys at once, before the joint receipt is settled.
func TestJoint(t *testing.T) {
	flight := inflight.NewPositionTracker(0)
	run := NewTracker(&stats.SourceRecord{}, nil).Begin()
	receipt := func(at int, key string) *Receipt {
		events := []*event.Event{{Key: key}}
		run.tracker.Emitted(1)
		return run.Receipt(event.Batch{Events: events, Ack: flight.Add(at, 1)})
	}
	a, b, later := receipt(1, "a"), receipt(2, "b"), receipt(3, "b")
	joint := Joint([]*Receipt{a, b})
	joint.Add(2)
	joint.AttemptFailed(1, time.Now())
	joint.Done(errors.New("refused"))
	later.Done(nil)
	if n := run.tracker.counts.Counts(); n.Nacked != 1 || n.Acked != 0 {
		t.Errorf("a later event of a key whose batch comes again: %+v", n)
	}
	joint.Done(nil)
	if _, failed := flight.State(); run.tracker.Outstanding() != 2 {
		t.Errorf("settled with its guard held: %v", failed)
	}
	joint.Done(nil)
	if n := run.tracker.counts.Counts(); n.Nacked != 3 || n.Outstanding != 0 {
		t.Errorf("%+v", n)
	}
	if Joint(nil) != nil {
		t.Error("a receipt of no batch")
	}
}
