package router

import "time"

// Status is what the router shows: the source of /api/status and of /metrics.
type Status struct {
	Sources []SourceStatus `json:"sources"`
	Routes  []RouteStatus  `json:"routes"`
	Sinks   []SinkStatus   `json:"sinks"`
	Edges   []EdgeStatus   `json:"edges"`
}

// SourceStatus shows one source.
type SourceStatus struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Health
	Leader  *LeaderStatus `json:"leader,omitempty"`  // where the source has a leadership
	Stalled *StallStatus  `json:"stalled,omitempty"` // where the source reads no more
	SourceCounts
	Plugin PluginCounts `json:"plugin,omitempty"`
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

// SourceCounts counts events: Emitted = Acked + Nacked + Outstanding. Events
// that nobody can replay count as acked when the router has taken them.
type SourceCounts struct {
	Emitted     uint64 `json:"emitted"`
	Acked       uint64 `json:"acked"`
	Nacked      uint64 `json:"nacked"`
	Outstanding uint64 `json:"outstanding"`
	Gaps        uint64 `json:"gaps"`    // times that events may have been missed
	Keyless     uint64 `json:"keyless"` // events whose key could not be evaluated
	// GapsAtStart is those of Gaps that are the start of this gateway itself.
	GapsAtStart uint64 `json:"gaps_at_start"`
	// GapsPassedOn is gaps that were noticed and counted elsewhere, and came through this source.
	GapsPassedOn uint64 `json:"gaps_passed_on"`
}

func (a SourceCounts) plus(b SourceCounts) SourceCounts {
	a.Emitted += b.Emitted
	a.Acked += b.Acked
	a.Nacked += b.Nacked
	a.Outstanding += b.Outstanding
	a.Gaps += b.Gaps
	a.Keyless += b.Keyless
	a.GapsAtStart += b.GapsAtStart
	a.GapsPassedOn += b.GapsPassedOn
	return a
}

// RouteStatus shows one route.
type RouteStatus struct {
	Name       string   `json:"name"`
	From       []string `json:"from"`
	To         []string `json:"to"`
	DeadLetter string   `json:"dead_letter,omitempty"`
	RouteCounts
	// Failing says that a transform has failed on an event of the last batch: LastError counts.
	Failing     bool         `json:"failing"`
	Errors      uint64       `json:"errors"` // events that a transform failed on
	Panics      uint64       `json:"panics"`
	LastError   string       `json:"last_error,omitempty"` // the latest, even where it is past
	LastErrorAt *time.Time   `json:"last_error_at,omitempty"`
	Plugin      PluginCounts `json:"plugin,omitempty"`
}

// RouteCounts counts events: In + Added = Filtered + Dropped + DeadLettered +
// Returned + Out.
// Added is k-1 where a transform makes k > 1 of one.
type RouteCounts struct {
	In           uint64 `json:"in"`
	Added        uint64 `json:"added"`
	Filtered     uint64 `json:"filtered"` // that the route did not take, or a transform left out
	Dropped      uint64 `json:"dropped"`  // that a transform failed on, with on_error: drop
	DeadLettered uint64 `json:"dead_lettered"`
	Returned     uint64 `json:"returned"` // given back to a source that can replay
	Out          uint64 `json:"out"`
}

func (a RouteCounts) plus(b RouteCounts) RouteCounts {
	a.In += b.In
	a.Added += b.Added
	a.Filtered += b.Filtered
	a.Dropped += b.Dropped
	a.DeadLettered += b.DeadLettered
	a.Returned += b.Returned
	a.Out += b.Out
	return a
}

// SinkStatus shows one sink.
type SinkStatus struct {
	Name       string `json:"name"`
	Type       string `json:"type"`
	DeadLetter string `json:"dead_letter,omitempty"`
	Health
	QueueCounts
	Breaker BreakerStatus `json:"breaker"`
	Retries uint64        `json:"retries"` // writes that were attempts after the first
	Plugin  PluginCounts  `json:"plugin,omitempty"`
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

// QueueCounts counts event copies:
// In = Delivered + Dropped + DeadLettered + Returned + Queued + Writing.
type QueueCounts struct {
	In           uint64            `json:"in"`
	Delivered    uint64            `json:"delivered"`
	Dropped      map[string]uint64 `json:"dropped"` // by reason
	DeadLettered uint64            `json:"dead_lettered"`
	Returned     uint64            `json:"returned"` // given back to a source that can replay, or given up at shutdown
	Queued       uint64            `json:"queued"`
	Writing      uint64            `json:"writing"`
	QueuedBytes  uint64            `json:"queued_bytes"`
	Retrying     uint64            `json:"retrying"`  // of those queued: failed, and waiting for their next attempt
	HeldBack     uint64            `json:"held_back"` // of those queued: waiting for one of their key before them
}

func (a QueueCounts) plus(b QueueCounts) QueueCounts {
	a.In += b.In
	a.Delivered += b.Delivered
	a.DeadLettered += b.DeadLettered
	a.Returned += b.Returned
	a.Queued += b.Queued
	a.Writing += b.Writing
	a.QueuedBytes += b.QueuedBytes
	a.Retrying += b.Retrying
	a.HeldBack += b.HeldBack
	dropped := make(map[string]uint64, len(a.Dropped)+len(b.Dropped))
	for _, counts := range []map[string]uint64{a.Dropped, b.Dropped} {
		for reason, n := range counts {
			dropped[reason] += n
		}
	}
	a.Dropped = dropped
	return a
}

// Waiting is how many copies are neither delivered nor given up.
func (a QueueCounts) Waiting() uint64 { return a.Queued + a.Writing }

// EdgeStatus counts what one component has sent to another: each is one in there.
type EdgeStatus struct {
	From   string `json:"from"` // "source orders_db", "route publish", "dead letters of sink bus", or "removed"
	To     string `json:"to"`   // "route publish", "sink bus", or "memory"
	Events uint64 `json:"events"`
}

// Health is the state of one component.
type Health struct {
	Up    bool      `json:"up"`
	Since time.Time `json:"since"` // of Up
	// Failing says that the component fails now, be it up or down: LastError counts. Else
	// LastError is past.
	Failing   bool   `json:"failing"`
	Attempts  uint64 `json:"attempts"` // that have failed in this outage; 0 while it is up
	Errors    uint64 `json:"errors"`
	Panics    uint64 `json:"panics"`
	LastError string `json:"last_error,omitempty"` // the latest, even where it is past
	// LastErrorAt is when LastError was.
	LastErrorAt *time.Time `json:"last_error_at,omitempty"`
}
