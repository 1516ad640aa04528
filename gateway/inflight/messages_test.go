package inflight

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"eventgateway/gateway/event"
)

func TestLedger(t *testing.T) {
	l, lost := NewMessageTracker[string](), errors.New("lost")
	a, b, c := l.Add("a"), l.Add("b"), l.Add("c")
	last := time.Unix(1, 0)
	b.AttemptFailed(3, last)
	c.AttemptFailed(1, last)
	c.Settle(nil)
	if open, failed := l.State(); open != 2 || failed != nil || l.InFlight("c") || !l.InFlight("b") || len(l.Changed) != 1 {
		t.Errorf("%d open, %v", open, failed)
	}
	b.Settle(lost)
	if _, failed := l.State(); !errors.Is(failed, lost) || l.AckedMessages() != 1 || !l.Progressed() {
		t.Errorf("failed %v, done %d", failed, l.AckedMessages())
	}
	taken := l.Collect()
	if !slices.Equal(taken.Acked, []string{"c"}) || len(taken.Nacked) != 1 || taken.Nacked[0] != (Nacked[string]{"b", lost}) ||
		!maps.Equal(taken.Attempts, map[string]event.Attempts{"b": {Failed: 3, Last: last}}) {
		t.Errorf("taken %+v", taken)
	}
	if again := l.Collect(); l.Progressed() || len(again.Acked)+len(again.Nacked)+len(again.Attempts) > 0 {
		t.Errorf("taken again %+v", again)
	}
	l.BeginRun()
	if _, failed := l.State(); failed != nil {
		t.Errorf("the next Run has failed: %v", failed)
	}
	a.Settle(nil) // of the Run before
	l.Restore(taken)
	if taken = l.Collect(); !slices.Equal(taken.Acked, []string{"c", "a"}) || len(taken.Nacked) != 1 || len(taken.Attempts) != 1 {
		t.Errorf("after nothing was stored: %+v", taken)
	}
}

// TestLedgerKeepsTheNewerAttempt where nothing was stored meanwhile, and none of what was acked.
func TestLedgerKeepsTheNewerAttempt(t *testing.T) {
	l := NewMessageTracker[int]()
	one, two, three := l.Add(1), l.Add(2), l.Add(3)
	one.AttemptFailed(1, time.Unix(1, 0))
	two.AttemptFailed(1, time.Unix(1, 0))
	taken := l.Collect()
	one.AttemptFailed(2, time.Unix(2, 0))
	three.AttemptFailed(1, time.Unix(2, 0))
	two.Settle(nil)
	l.Restore(taken)
	if got := l.Collect(); len(got.Attempts) != 2 || got.Attempts[1].Failed != 2 || got.Attempts[3].Failed != 1 || !slices.Equal(got.Acked, []int{2}) {
		t.Errorf("%+v", got)
	}
}

// TestLedgerEmitsAgain a message that is on its way: the newer batch of it counts as open.
func TestLedgerEmitsAgain(t *testing.T) {
	l := NewMessageTracker[string]()
	first, second := l.Add("a"), l.Add("a")
	first.Settle(nil)
	if open, _ := l.State(); open != 1 || !l.InFlight("a") {
		t.Errorf("%d open", open)
	}
	second.Settle(nil)
	if open, _ := l.State(); open != 0 || l.AckedMessages() != 2 {
		t.Errorf("%d open, %d done", open, l.AckedMessages())
	}
}

// TestLedgerKeepsAnOrderForEachRun: what was nacked before a Run comes again in it, and what is nacked
// later comes again behind it.
func TestLedgerKeepsAnOrderForEachRun(t *testing.T) {
	l, lost := NewMessageTracker[string](), errors.New("lost")
	first := l.Add("a").Redelivery()
	first.Add("early", false, lost)
	l.BeginRun()
	second := l.Add("b").Redelivery()
	first.Add("late", false, lost)
	if second.Check("early", false) != nil || second.Check("late", false) == nil || first.Check("early", false) == nil {
		t.Error("the orders of two Runs are not as they should be")
	}
}
