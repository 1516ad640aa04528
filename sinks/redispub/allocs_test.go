package redispub

import (
	"strings"
	"testing"

	"eventgateway/gateway/event"
)

// TestAllocationsPerEvent bounds the allocations of a write, with those of go-redis.
func TestAllocationsPerEvent(t *testing.T) {
	var batch []*event.Event
	for range 512 {
		batch = append(batch, &event.Event{Data: []byte(`{"a":"` + strings.Repeat("x", 300) + `"}`)})
	}
	for _, c := range []struct {
		name  string
		seq   Sequence
		bound float64
	}{
		{"plain", Sequence{}, 2.5}, // the command, and the payload as its argument
		{"numbered", Sequence{Key: "allocations:id", Field: "_pub_id"}, 1.5}, // the payload as an argument
	} {
		t.Run(c.name, func(t *testing.T) {
			clean(t, "allocations:id")
			s := newSink(t, "allocations", c.seq)
			each := testing.AllocsPerRun(20, func() {
				if err := s.Write(t.Context(), batch); err != nil {
					t.Fatal(err)
				}
			}) / float64(len(batch))
			if each > c.bound {
				t.Errorf("%.2f allocations per event, want at most %.1f", each, c.bound)
			}
			t.Logf("%.2f allocations per event", each)
		})
	}
}
