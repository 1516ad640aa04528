package stats

import (
	"fmt"
	"time"
)

// LettersStatus is the state of the dead-letter store, or of the list in memory.
type LettersStatus struct {
	Path string `json:"-"` // "" is memory
	// The counts are those of this process: In = Stored + Returned + Lost + Pending, and Stored + Found = Held + Removed + Evicted + Expired.
	In       uint64     `json:"in"`
	Stored   uint64     `json:"stored"`
	Returned uint64     `json:"returned"` // to their sources, because they could not be written
	Lost     uint64     `json:"lost"`     // could not be written, and no source can replay them
	Pending  uint64     `json:"pending"`  // not written yet
	Found    uint64     `json:"found"`    // at the start
	Held     uint64     `json:"held"`
	Removed  uint64     `json:"removed"` // by users, or because a replay has delivered them
	Evicted  uint64     `json:"evicted"` // by max_bytes
	Expired  uint64     `json:"expired"` // by max_age
	Total    uint64     `json:"total"`   // the highest number
	Bytes    uint64     `json:"bytes"`
	MaxBytes uint64     `json:"max_bytes"`
	Oldest   *time.Time `json:"oldest,omitempty"`
	Error    string     `json:"error,omitempty"` // why letters cannot be written now
}

// conserved returns an error where a letter was made or lost.
func (s *LettersStatus) conserved() error {
	if s.In != s.Stored+s.Returned+s.Lost+s.Pending {
		return fmt.Errorf("dead-letter store: in %d != stored %d + returned %d + lost %d + pending %d", s.In, s.Stored, s.Returned, s.Lost, s.Pending)
	}
	if s.Stored+s.Found != s.Held+s.Removed+s.Evicted+s.Expired {
		return fmt.Errorf("dead-letter store: stored %d + found %d != held %d + removed %d + evicted %d + expired %d", s.Stored, s.Found, s.Held, s.Removed, s.Evicted, s.Expired)
	}
	return nil
}
