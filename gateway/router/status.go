package router

import (
	"fmt"
	"time"
)

// Status is what the router shows: the source of /api/status and of /metrics.
type Status struct {
	Sources []SourceStatus `json:"sources"`
	Routes  []RouteStatus  `json:"routes"`
	Sinks   []SinkStatus   `json:"sinks"`
}

// SourceStatus shows one source.
type SourceStatus struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Health
	SourceCounts
}

// SourceCounts counts events: Emitted = Acked + Nacked + Outstanding. Events
// that nobody can replay count as acked when the router has taken them.
type SourceCounts struct {
	Emitted     uint64 `json:"emitted"`
	Acked       uint64 `json:"acked"`
	Nacked      uint64 `json:"nacked"`
	Outstanding uint64 `json:"outstanding"`
	Gaps        uint64 `json:"gaps"`   // times that events may have been missed
	Errors      uint64 `json:"errors"` // times that the source was lost
}

// RouteStatus shows one route.
type RouteStatus struct {
	Name string   `json:"name"`
	From []string `json:"from"`
	To   []string `json:"to"`
	RouteCounts
}

// RouteCounts counts events: In + Added = Filtered + DeadLettered + Out.
// Added is k-1 where a transform makes k > 1 of one.
type RouteCounts struct {
	In           uint64 `json:"in"`
	Added        uint64 `json:"added"`
	Filtered     uint64 `json:"filtered"`
	DeadLettered uint64 `json:"dead_lettered"`
	Out          uint64 `json:"out"`
}

// SinkStatus shows one sink.
type SinkStatus struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Health
	QueueCounts
	Retries uint64 `json:"retries"` // writes that were attempts after the first
	Errors  uint64 `json:"errors"`  // writes that failed
}

// QueueCounts counts event copies:
// In = Delivered + Dropped + DeadLettered + Returned + Queued + Writing.
type QueueCounts struct {
	In           uint64            `json:"in"`
	Delivered    uint64            `json:"delivered"`
	Dropped      map[string]uint64 `json:"dropped"` // by reason
	DeadLettered uint64            `json:"dead_lettered"`
	Returned     uint64            `json:"returned"` // given up at shutdown
	Queued       uint64            `json:"queued"`
	Writing      uint64            `json:"writing"`
	QueuedBytes  uint64            `json:"queued_bytes"`
}

// Health is the state of one component.
type Health struct {
	Up        bool      `json:"up"`
	Since     time.Time `json:"since"`                // of Up
	LastError string    `json:"last_error,omitempty"` // the latest, even where it is up again
	// LastErrorAt is when LastError was.
	LastErrorAt *time.Time `json:"last_error_at,omitempty"`
}

// Conserved returns an error where an edge of the graph has made or lost an
// event: the conservation law. It holds at any moment for each edge; between
// edges it holds once the router has stopped.
func (s Status) Conserved() error {
	for _, c := range s.Sources {
		if c.Emitted != c.Acked+c.Nacked+c.Outstanding {
			return fmt.Errorf("source %s: emitted %d != acked %d + nacked %d + outstanding %d", c.Name, c.Emitted, c.Acked, c.Nacked, c.Outstanding)
		}
	}
	for _, c := range s.Routes {
		if c.In+c.Added != c.Filtered+c.DeadLettered+c.Out {
			return fmt.Errorf("route %s: in %d + added %d != filtered %d + dead_lettered %d + out %d", c.Name, c.In, c.Added, c.Filtered, c.DeadLettered, c.Out)
		}
	}
	for _, c := range s.Sinks {
		sum := c.Delivered + c.DeadLettered + c.Returned + c.Queued + c.Writing
		for _, n := range c.Dropped {
			sum += n
		}
		if c.In != sum {
			return fmt.Errorf("sink %s: in %d != %d = delivered %d + dropped %v + dead_lettered %d + returned %d + queued %d + writing %d",
				c.Name, c.In, sum, c.Delivered, c.Dropped, c.DeadLettered, c.Returned, c.Queued, c.Writing)
		}
	}
	return nil
}

// ConservedAtRest adds to Conserved what holds once the router has stopped:
// nothing waits any more, and each out of a route was one in of each sink.
func (s Status) ConservedAtRest() error {
	if err := s.Conserved(); err != nil {
		return err
	}
	in := map[string]uint64{}
	for _, r := range s.Routes {
		for _, to := range r.To {
			in[to] += r.Out
		}
	}
	for _, c := range s.Sinks {
		if c.In != in[c.Name] {
			return fmt.Errorf("sink %s: in %d, but its routes gave out %d", c.Name, c.In, in[c.Name])
		}
		if c.Queued+c.Writing != 0 {
			return fmt.Errorf("sink %s: %d queued and %d being written at rest", c.Name, c.Queued, c.Writing)
		}
	}
	for _, c := range s.Sources {
		if c.Outstanding != 0 {
			return fmt.Errorf("source %s: %d outstanding at rest", c.Name, c.Outstanding)
		}
	}
	return nil
}
