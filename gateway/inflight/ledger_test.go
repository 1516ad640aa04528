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
	l, lost := NewLedger[string](), errors.New("lost")
	a, b, c := l.Add("a"), l.Add("b"), l.Add("c")
	last := time.Unix(1, 0)
	b.Tried(3, last)
	c.Tried(1, last)
	c.Settle(nil)
	if open, failed := l.State(); open != 2 || failed != nil || l.IsOpen("c") || !l.IsOpen("b") || len(l.Changed) != 1 {
		t.Errorf("%d open, %v", open, failed)
	}
	b.Settle(lost)
	if _, failed := l.State(); !errors.Is(failed, lost) || l.Done() != 1 || !l.Progressed() {
		t.Errorf("failed %v, done %d", failed, l.Done())
	}
	taken := l.Take()
	if !slices.Equal(taken.Acked, []string{"c"}) || len(taken.Nacked) != 1 || taken.Nacked[0] != (Nacked[string]{"b", lost}) ||
		!maps.Equal(taken.Tried, map[string]event.Tried{"b": {Attempts: 3, Last: last}}) {
		t.Errorf("taken %+v", taken)
	}
	if again := l.Take(); l.Progressed() || len(again.Acked)+len(again.Nacked)+len(again.Tried) > 0 {
		t.Errorf("taken again %+v", again)
	}
	l.Begin()
	if _, failed := l.State(); failed != nil {
		t.Errorf("the next Run has failed: %v", failed)
	}
	a.Settle(nil) // of the Run before
	l.Keep(taken)
	if taken = l.Take(); !slices.Equal(taken.Acked, []string{"c", "a"}) || len(taken.Nacked) != 1 || len(taken.Tried) != 1 {
		t.Errorf("after nothing was stored: %+v", taken)
	}
}

// TestLedgerKeepsTheNewerAttempt where nothing was stored meanwhile, and none of what was acked.
func TestLedgerKeepsTheNewerAttempt(t *testing.T) {
	l := NewLedger[int]()
	one, two, three := l.Add(1), l.Add(2), l.Add(3)
	one.Tried(1, time.Unix(1, 0))
	two.Tried(1, time.Unix(1, 0))
	taken := l.Take()
	one.Tried(2, time.Unix(2, 0))
	three.Tried(1, time.Unix(2, 0))
	two.Settle(nil)
	l.Keep(taken)
	if got := l.Take(); len(got.Tried) != 2 || got.Tried[1].Attempts != 2 || got.Tried[3].Attempts != 1 || !slices.Equal(got.Acked, []int{2}) {
		t.Errorf("%+v", got)
	}
}

// TestLedgerEmitsAgain a message that is on its way: the newer batch of it counts as open.
func TestLedgerEmitsAgain(t *testing.T) {
	l := NewLedger[string]()
	first, second := l.Add("a"), l.Add("a")
	first.Settle(nil)
	if open, _ := l.State(); open != 1 || !l.IsOpen("a") {
		t.Errorf("%d open", open)
	}
	second.Settle(nil)
	if open, _ := l.State(); open != 0 || l.Done() != 2 {
		t.Errorf("%d open, %d done", open, l.Done())
	}
}

// TestLedgerKeepsAnOrderForEachRun: what was nacked before a Run comes again in it, and what is nacked
// later comes again behind it.
func TestLedgerKeepsAnOrderForEachRun(t *testing.T) {
	l, lost := NewLedger[string](), errors.New("lost")
	first := l.Add("a").Order()
	first.ComesAgain("early", false, lost)
	l.Begin()
	second := l.Add("b").Order()
	first.ComesAgain("late", false, lost)
	if second.Behind("early", false) != nil || second.Behind("late", false) == nil || first.Behind("early", false) == nil {
		t.Error("the orders of two Runs are not as they should be")
	}
}
