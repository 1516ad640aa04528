package inflight

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// TestPositionFollowsAckedPrefix proves that the position advances only past batches that are acked with all
// before them, and what a checkpoint, a nack and Reset do.
func TestPositionFollowsAckedPrefix(t *testing.T) {
	tr := NewPositionTracker("begin")
	a, b, c := tr.Add("a", 1), tr.Add("b", 2), tr.Add("c", 1)
	b.Settle(nil)
	if n, err := tr.State(); tr.Acked() != "begin" || n != 2 || tr.AckedEvents() != 2 || err != nil {
		t.Errorf("after b: at %s, %d events, %v", tr.Acked(), n, err)
	}
	if _, above := tr.AckedSpans(); !slices.Equal(above, []Span[string]{{"b", "b"}}) || !slices.Equal(tr.Unacked(), []string{"a", "c"}) {
		t.Errorf("above %v, unacked %v", above, tr.Unacked())
	}
	a.Settle(nil)
	if n, _ := tr.State(); tr.Acked() != "b" || n != 1 || len(tr.Changed) != 1 {
		t.Errorf("after a: at %s, %d events", tr.Acked(), n)
	}
	if !tr.StartCheckpoint() || tr.Progressed() || tr.StartCheckpoint() {
		t.Error("progress does not start one checkpoint")
	}
	tr.CheckpointFailed()
	if !tr.StartCheckpoint() {
		t.Error("a failed checkpoint does not start again")
	}
	if tr.Advance("d") {
		t.Error("it advanced although a batch is in flight")
	}
	broken := errors.New("broken")
	c.Settle(broken)
	if _, err := tr.State(); !errors.Is(err, broken) || tr.Acked() != "b" {
		t.Errorf("after a nack: at %s, %v", tr.Acked(), err)
	}
	tr.Reset("e")
	c.Settle(nil)
	if n, _ := tr.State(); tr.Acked() != "e" || n != 0 || tr.Unacked() != nil {
		t.Errorf("after Reset: at %s, %d events", tr.Acked(), n)
	}
}

// TestResetEndsRedelivery proves that keys which were nacked before Reset do not hold back later batches.
func TestResetEndsRedelivery(t *testing.T) {
	tr := NewPositionTracker(0)
	before := tr.Add(1, 1)
	before.Redelivery().Add("k", false, errors.New("unavailable"))
	if same := tr.Add(2, 1); same.Redelivery() != before.Redelivery() {
		t.Error("two batches of one Run do not share a Redelivery")
	}
	tr.Reset(7)
	if tr.Add(8, 1).Redelivery().Any() {
		t.Error("a dropped batch is redelivered")
	}
}

// TestMemoryBehindUnackedBatch proves that a batch that stays in flight costs the same however many batches are
// acked after it.
func TestMemoryBehindUnackedBatch(t *testing.T) {
	tr := NewPositionTracker(0)
	stays := tr.Add(1, 1)
	for i := range 100_000 {
		tr.Add(i+2, 1).Settle(nil)
	}
	acked, above := tr.AckedSpans()
	if n, _ := tr.State(); n != 1 || acked != 0 || !slices.Equal(above, []Span[int]{{2, 100_001}}) {
		t.Errorf("%d events, at %d, above %v", n, acked, above)
	}
	if tr.first.next != tr.last || tr.last.next != nil {
		t.Error("more than two batches are stored")
	}
	stays.Settle(nil)
	if acked, above = tr.AckedSpans(); acked != 100_001 || above != nil || tr.first != nil || tr.last != nil {
		t.Errorf("at %d, above %v", acked, above)
	}
}

// TestConcurrentAcks proves position, spans and unacked batches after acks in any order, from several goroutines.
func TestConcurrentAcks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 50).Draw(t, "batches")
		stays := rapid.SliceOfN(rapid.Bool(), n, n).Draw(t, "stay in flight")
		spans := rapid.SliceOfN(rapid.Bool(), n, n).Draw(t, "were acked before")
		tr := NewPositionTracker(0)
		var settling sync.WaitGroup
		open, prefix := []int(nil), 0
		for i := range n {
			if spans[i] {
				tr.AddAcked(Span[int]{i + 1, i + 1})
				continue
			}
			ack := tr.Add(i+1, 1)
			if stays[i] {
				open = append(open, i+1)
			} else {
				settling.Go(func() { ack.Settle(nil) })
			}
		}
		settling.Wait()
		if prefix = n; len(open) > 0 {
			prefix = open[0] - 1
		}
		acked, above := tr.AckedSpans()
		covered := acked
		for _, s := range above {
			covered += s.Last - s.First + 1
		}
		if count, _ := tr.State(); acked != prefix || count != len(open) || !slices.Equal(tr.Unacked(), open) || covered != n-len(open) {
			t.Fatalf("at %d, above %v, unacked %v, %d events; want %d, %v", acked, above, tr.Unacked(), count, prefix, open)
		}
	})
}
