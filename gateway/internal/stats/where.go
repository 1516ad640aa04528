package stats

import "time"

// Whereabouts has the queues and dead letters with one event.
type Whereabouts struct {
	ID    string       `json:"id"`
	Found []Whereabout `json:"found"`
	More  bool         `json:"more,omitempty"` // there may be further dead letters of it
	// Writing has the sinks with writes under way: the event may be in one of these.
	Writing []InWrites `json:"writing,omitempty"`
}

// Whereabout is one queue or dead letter with the event.
type Whereabout struct {
	Component string     `json:"component"`
	State     string     `json:"state"` // one of the states below
	Source    string     `json:"source"`
	Attempts  int        `json:"attempts"`      // failed ones
	Due       *time.Time `json:"due,omitempty"` // of the next attempt
	// The others are of dead letters.
	Number    uint64     `json:"number,omitempty"`
	Reason    string     `json:"reason,omitempty"`
	AttemptID string     `json:"attempt_id,omitempty"` // of the last attempt
	At        *time.Time `json:"at,omitempty"`
}

// InWrites counts the events in writes of a sink.
type InWrites struct {
	Sink   string `json:"sink"`
	Events uint64 `json:"events"`
}

// The states of a [Whereabout].
const (
	WhereQueued     = "queued"      // it waits for its first attempt
	WhereBlocked    = "blocked"     // it waits behind an earlier event of its key
	WhereDelayed    = "delayed"     // it has failed, and waits for its next attempt
	WhereDeadLetter = "dead_letter" // it could not be delivered
)
