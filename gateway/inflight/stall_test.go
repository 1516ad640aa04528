package inflight

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/plugin/plugintest"
)

// shown is an Output that notes whether the source is stalled.
type shown struct {
	plugintest.Output
	said []bool
}

func (s *shown) SetStalled(reason string) { s.said = append(s.said, reason != "") }

func TestStandstill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, s := &shown{}, StallDetector{After: StallAfter}
		look := func(after time.Duration, done uint64, want ...bool) {
			t.Helper()
			time.Sleep(after)
			out.said = nil
			if s.Check(out, done, 3); !slices.Equal(out.said, want) {
				t.Errorf("it said %v, want %v", out.said, want)
			}
		}
		look(0, 5)
		look(StallAfter-1, 5)
		look(1, 6) // one was settled
		look(StallAfter-1, 6)
		look(1, 6, true)
		look(1, 6, true)
		look(1, 7, false)
		look(StallAfter, 7, true)
		out.said = nil
		if s.Clear(out); !slices.Equal(out.said, []bool{false}) {
			t.Errorf("at the end it said %v", out.said)
		}
		if s.Clear(out); len(out.said) != 1 {
			t.Error("it said so again")
		}
	})
}
