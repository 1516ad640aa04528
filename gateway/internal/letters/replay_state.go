package letters

import (
	"context"
	"time"
)

// ReplayRequest selects the letters of a replay, and where it sends them.
type ReplayRequest struct {
	Query Query
	To    string   // the place: "sink NAME" or "route NAME"; "" is where each letter has failed
	Rate  float64  // letters per second; 0: no limit
	Edit  *Payload // replaces the payload of a single letter; nil: no change
}

// Replay is one replay. Its exported fields are those of its latest state.
type Replay struct {
	ReplayState
	request ReplayRequest
	cancel  context.CancelFunc
	changed chan struct{} // closed with the next change
}

// ReplayState is the state of a replay.
type ReplayState struct {
	ID        int        `json:"id"`
	To        string     `json:"to,omitempty"`
	Rate      float64    `json:"rate,omitempty"` // letters per second; 0: no limit
	Started   time.Time  `json:"started"`
	Ended     *time.Time `json:"ended,omitempty"` // nil: it runs
	Sent      int        `json:"sent"`
	Delivered int        `json:"delivered"` // their letters are removed
	Failed    int        `json:"failed"`    // again; their letters stay
	Queued    int        `json:"queued"`    // sent, and neither delivered nor failed yet
	Failures  []Failed   `json:"failures"`  // the first ones
	Canceled  bool       `json:"canceled,omitempty"`
	Error     string     `json:"error,omitempty"` // why it has ended early
}

// Failed is a letter that has failed again.
type Failed struct {
	Number uint64 `json:"number"`
	Reason string `json:"reason"`
}

func (p *Replay) state() ReplayState {
	s := p.ReplayState
	s.Failures = append([]Failed{}, p.Failures...)
	return s
}

// fail counts a letter that has failed again. The caller holds the lock.
func (p *Replay) fail(number uint64, err error) {
	p.Failed++
	if len(p.Failures) < maxFailures {
		p.Failures = append(p.Failures, Failed{number, err.Error()})
	}
}

// notify wakes the callers of Wait. The caller holds the lock.
func (p *Replay) notify() {
	close(p.changed)
	p.changed = make(chan struct{})
}
