package stats

import "time"

// Status is the state and the counts of every component, as /api/status shows them and /metrics exports them.
type Status struct {
	Sources []SourceStatus `json:"sources"`
	Routes  []RouteStatus  `json:"routes"`
	Sinks   []SinkStatus   `json:"sinks"`
	Edges   []EdgeStatus   `json:"edges"`
	// DeadLetterStore is the store on the disk; nil if dead letters are kept in memory.
	DeadLetterStore *LettersStatus `json:"dead_letter_store,omitempty"`
}

// SourceStatus shows one source.
type SourceStatus struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Health
	Leader  *LeaderStatus `json:"leader,omitempty"`  // where the source has a leadership
	Stalled *StallStatus  `json:"stalled,omitempty"` // where the source reads no more
	SourceCounts
	LastEventAt *time.Time   `json:"last_event_at,omitempty"` // when the source received its last event; nil before the first
	Plugin      PluginCounts `json:"plugin,omitempty"`
}

// PluginCounts are the counters that the plugins of a component export beside, by their names in
// /metrics, over all labels: as the messages that slow WebSocket clients were not sent.
type PluginCounts map[string]uint64

// LeaderStatus shows who captures, of several gateways.
type LeaderStatus struct {
	Name  string `json:"name"`
	State string `json:"state"`          // leader; starting: leader, and not connected yet; standby; or none: not connected
	Term  int64  `json:"term,omitempty"` // of this gateway's leadership
	// Holder names the session that has the lock where it is none of a gateway.
	Holder string `json:"holder,omitempty"`
}

// RouteStatus shows one route.
type RouteStatus struct {
	Name       string   `json:"name"`
	From       []string `json:"from"`
	Through    []string `json:"through"` // names of its transforms, in order
	To         []string `json:"to"`
	DeadLetter string   `json:"dead_letter,omitempty"`
	RouteCounts
	// Failing says that a transform has failed on an event of the last batch: LastError counts.
	Failing      bool         `json:"failing"`
	FailingSince *time.Time   `json:"failing_since,omitempty"` // nil while Failing is false
	Errors       uint64       `json:"errors"`                  // events that a transform failed on
	Panics       uint64       `json:"panics"`
	LastError    string       `json:"last_error,omitempty"` // the latest, even where it is past
	LastErrorAt  *time.Time   `json:"last_error_at,omitempty"`
	Plugin       PluginCounts `json:"plugin,omitempty"`
}

// SinkStatus shows one sink.
type SinkStatus struct {
	Name       string `json:"name"`
	Type       string `json:"type"`
	DeadLetter string `json:"dead_letter,omitempty"`
	Health
	QueueCounts
	Paths []string `json:"paths,omitempty"` // at which it accepts WebSocket clients
	// NeedsToken is set if these clients need a token.
	NeedsToken bool          `json:"needs_token,omitempty"`
	Lists      []string      `json:"lists,omitempty"`     // attempts, clients: what /api/components/sink/NAME lists
	Snapshots  []string      `json:"snapshots,omitempty"` // tables whose rows these clients may request
	Breaker    BreakerStatus `json:"breaker"`
	Retries    uint64        `json:"retries"` // writes that were attempts after the first
	// NegativeLatency is the number of events whose origin time was later than their delivery.
	NegativeLatency uint64       `json:"negative_latency"`
	Plugin          PluginCounts `json:"plugin,omitempty"`
}

// BreakerStatus says whether a sink is written to.
type BreakerStatus struct {
	State  string     `json:"state"`            // one of the states below
	Until  *time.Time `json:"until,omitempty"`  // where it is open
	Reason string     `json:"reason,omitempty"` // where it is disabled
	Opened uint64     `json:"opened"`           // times that it was opened
}

// The states of a breaker.
const (
	BreakerClosed   = "closed"    // the sink is written to
	BreakerOpen     = "open"      // it is left alone for a while
	BreakerHalfOpen = "half_open" // the next write shows how it is
	BreakerDisabled = "disabled"  // the receiver wants nothing any more: until the next reload or start
)

// EdgeStatus counts what one component has sent to another: each is one in there.
type EdgeStatus struct {
	From   string `json:"from"` // "source orders_db", "route publish", "dead letters of sink bus", "operator", or "removed"
	To     string `json:"to"`   // "route publish", "sink bus", "memory", "dead-letter store", or "removed"
	Events uint64 `json:"events"`
}

// Health is the state of one component.
type Health struct {
	Up    bool      `json:"up"`
	Since time.Time `json:"since"` // of Up
	// Failing says that the component fails now, be it up or down: LastError counts. Else
	// LastError is past.
	Failing bool `json:"failing"`
	// FailingSince is when Failing became true; nil while it is false, and where Failing follows only from the sink's breaker or queue.
	FailingSince *time.Time `json:"failing_since,omitempty"`
	Attempts     uint64     `json:"attempts"` // that have failed in this outage; 0 while it is up
	Errors       uint64     `json:"errors"`
	Panics       uint64     `json:"panics"`
	LastError    string     `json:"last_error,omitempty"` // the latest, even where it is past
	// LastErrorAt is when LastError was.
	LastErrorAt *time.Time `json:"last_error_at,omitempty"`
}

// StallStatus says since when a source reads no more because of events that are in flight, and
// why.
type StallStatus struct {
	Since  time.Time `json:"since"`
	Reason string    `json:"reason"`
}

// The states of a leadership, in [LeaderStatus].
const (
	Leading    = "leader"
	Starting   = "starting" // this gateway leads, and its source is not connected yet
	StandingBy = "standby"
	NotLeading = "none" // not connected
)
