package inflight

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"eventgateway/gateway/event"
)

// TestMessageTracker proves what acks, nacks and failed attempts do, and that Collect, Restore and BeginRun keep
// each of them once.
func TestMessageTracker(t *testing.T) {
	l, lost := NewMessageTracker[string](), errors.New("lost")
	a, b, c := l.Add("a"), l.Add("b"), l.Add("c")
	last := time.Unix(1, 0)
	b.AttemptFailed(3, last)
	c.AttemptFailed(1, last)
	c.Settle(nil)
	if inFlight, nacked := l.State(); inFlight != 2 || nacked != nil || l.InFlight("c") || !l.InFlight("b") || len(l.Changed) != 1 {
		t.Errorf("%d in flight, %v", inFlight, nacked)
	}
	b.Settle(lost)
	if _, nacked := l.State(); !errors.Is(nacked, lost) || l.AckedMessages() != 1 || !l.Progressed() {
		t.Errorf("nacked %v, %d acked", nacked, l.AckedMessages())
	}
	collected := l.Collect()
	if !slices.Equal(collected.Acked, []string{"c"}) || len(collected.Nacked) != 1 || collected.Nacked[0] != (Nacked[string]{"b", lost}) ||
		!maps.Equal(collected.Attempts, map[string]event.Attempts{"b": {Failed: 3, Last: last}}) {
		t.Errorf("collected %+v", collected)
	}
	if again := l.Collect(); l.Progressed() || len(again.Acked)+len(again.Nacked)+len(again.Attempts) > 0 {
		t.Errorf("collected twice: %+v", again)
	}
	l.BeginRun()
	if _, nacked := l.State(); nacked != nil {
		t.Errorf("the next Run has nacked: %v", nacked)
	}
	a.Settle(nil) // of the earlier Run
	l.Restore(collected)
	if collected = l.Collect(); !slices.Equal(collected.Acked, []string{"c", "a"}) || len(collected.Nacked) != 1 || len(collected.Attempts) != 1 {
		t.Errorf("after nothing was stored: %+v", collected)
	}
}

// TestRestoreKeepsNewerAttempt proves that Restore overwrites no newer attempt, and brings back none of a message
// that was acked meanwhile.
func TestRestoreKeepsNewerAttempt(t *testing.T) {
	l := NewMessageTracker[int]()
	one, two, three := l.Add(1), l.Add(2), l.Add(3)
	one.AttemptFailed(1, time.Unix(1, 0))
	two.AttemptFailed(1, time.Unix(1, 0))
	collected := l.Collect()
	one.AttemptFailed(2, time.Unix(2, 0))
	three.AttemptFailed(1, time.Unix(2, 0))
	two.Settle(nil)
	l.Restore(collected)
	if got := l.Collect(); len(got.Attempts) != 2 || got.Attempts[1].Failed != 2 || got.Attempts[3].Failed != 1 || !slices.Equal(got.Acked, []int{2}) {
		t.Errorf("%+v", got)
	}
}

// TestMessageEmittedTwice proves that the newer batch of a message counts as in flight.
func TestMessageEmittedTwice(t *testing.T) {
	l := NewMessageTracker[string]()
	first, second := l.Add("a"), l.Add("a")
	first.Settle(nil)
	if inFlight, _ := l.State(); inFlight != 1 || !l.InFlight("a") {
		t.Errorf("%d in flight", inFlight)
	}
	second.Settle(nil)
	if inFlight, _ := l.State(); inFlight != 0 || l.AckedMessages() != 2 {
		t.Errorf("%d in flight, %d acked", inFlight, l.AckedMessages())
	}
}

// TestRedeliveryOfEachRun proves that keys nacked before a Run do not hold back the Run, which redelivers them, and
// that keys nacked later do.
func TestRedeliveryOfEachRun(t *testing.T) {
	l, lost := NewMessageTracker[string](), errors.New("lost")
	first := l.Add("a").Redelivery()
	first.Add("early", false, lost)
	l.BeginRun()
	second := l.Add("b").Redelivery()
	first.Add("late", false, lost)
	if second.Check("early", false) != nil || second.Check("late", false) == nil || first.Check("early", false) == nil {
		t.Error("the Runs do not have the keys that they should")
	}
}
