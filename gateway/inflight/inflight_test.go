package inflight

import (
	"errors"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func TestPositionFollowsTheAckedPrefix(t *testing.T) {
	tr := New("begin")
	a, b, c := tr.Add("a", 1), tr.Add("b", 2), tr.Add("c", 3)
	b(nil)
	if n, err := tr.State(); tr.Acked() != "begin" || tr.Progressed() || n != 6 || err != nil {
		t.Errorf("after b: at %s, %d events, %v", tr.Acked(), n, err)
	}
	a(nil)
	if n, _ := tr.State(); tr.Acked() != "b" || n != 3 || len(tr.Changed) != 1 {
		t.Errorf("after a: at %s, %d events", tr.Acked(), n)
	}
	if at, ok := tr.Take(); at != "b" || !ok || tr.Progressed() {
		t.Errorf("took %s, %v", at, ok)
	}
	tr.Keep()
	if at, ok := tr.Take(); at != "b" || !ok {
		t.Errorf("took %s, %v after nothing was stored", at, ok)
	}
	if tr.Idle("d") {
		t.Error("it moved although a batch is on its way")
	}
	broken := errors.New("broken")
	c(broken)
	if _, err := tr.State(); !errors.Is(err, broken) || tr.Acked() != "b" {
		t.Errorf("after a nack: at %s, %v", tr.Acked(), err)
	}
}

// TestAnyOrder acks in any order, from several goroutines.
func TestAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 50).Draw(t, "batches")
		tr := New(0)
		acks := make([]func(error), n)
		for i := range acks {
			acks[i] = tr.Add(i+1, 1)
		}
		open := rapid.IntRange(0, n).Draw(t, "stays open") // n: none
		var settling sync.WaitGroup
		for i, ack := range acks {
			if i != open {
				settling.Go(func() { ack(nil) })
			}
		}
		settling.Wait()
		if events, _ := tr.State(); tr.Acked() != open || events != n-open {
			t.Fatalf("at %d, %d events, want %d", tr.Acked(), events, open)
		}
	})
}
