package delivery

import (
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
)

// TestClockThatWasAhead: no pause is longer than the schedule says.
func TestClockThatWasAhead(t *testing.T) {
	r := Retry{Schedule: []options.Duration{options.Duration(5 * time.Second)}}
	tr := r.restore(&event.Event{Attempts: &event.Attempts{Failed: 1, Last: time.Now().Add(365 * 24 * time.Hour)}})
	if d := time.Until(tr.Due); d > 6*time.Second {
		t.Errorf("it waits for %v", d)
	}
}
