package inflight

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/plugin/plugintest"
)

// stallRecorder is an Output that records whether the source is stalled.
type stallRecorder struct {
	plugintest.Output
	reported []bool
}

func (s *stallRecorder) SetStalled(reason string) { s.reported = append(s.reported, reason != "") }

// TestStallDetector proves that a source is reported as stalled after StallAfter without an ack, and that an ack
// or Clear ends that.
func TestStallDetector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, s := &stallRecorder{}, StallDetector{After: StallAfter}
		check := func(after time.Duration, acked uint64, want ...bool) {
			t.Helper()
			time.Sleep(after)
			out.reported = nil
			if s.Check(out, acked, 3); !slices.Equal(out.reported, want) {
				t.Errorf("reported %v, want %v", out.reported, want)
			}
		}
		check(0, 5)
		check(StallAfter-1, 5)
		check(1, 6) // one was acked
		check(StallAfter-1, 6)
		check(1, 6, true)
		check(1, 6, true)
		check(1, 7, false)
		check(StallAfter, 7, true)
		out.reported = nil
		if s.Clear(out); !slices.Equal(out.reported, []bool{false}) {
			t.Errorf("Clear reported %v", out.reported)
		}
		if s.Clear(out); len(out.reported) != 1 {
			t.Error("a second Clear reported something")
		}
	})
}
