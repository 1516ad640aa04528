package stats

import (
	"sync"
	"sync/atomic"
	"time"
)

// SourceCounts counts events: Emitted = Acked + Nacked + Outstanding. Events
// that nobody can replay count as acked when the router has taken them.
type SourceCounts struct {
	Emitted     uint64 `json:"emitted"`
	Acked       uint64 `json:"acked"`
	Nacked      uint64 `json:"nacked"`
	Outstanding uint64 `json:"outstanding"`
	Gaps        uint64 `json:"gaps"`    // times that events may have been missed
	Keyless     uint64 `json:"keyless"` // events whose key could not be evaluated
	// Refused is events that were not taken because a queue was full. Their senders were told, and may send them again. They are
	// not among Emitted.
	Refused uint64 `json:"refused"`
	// OriginUnknown is the number of events for which origin_time gave no time.
	OriginUnknown uint64 `json:"origin_unknown"`
	// GapsAtStart is those of Gaps that are the start of this gateway itself.
	GapsAtStart uint64 `json:"gaps_at_start"`
	// GapsPassedOn is gaps that were noticed and counted elsewhere, and came through this source.
	GapsPassedOn uint64 `json:"gaps_passed_on"`
}

// RouteCounts counts events: In + Added = Filtered + Merged + Held + Dropped + DeadLettered +
// Returned + Out.
// A transform that makes k > 1 events of one counts k-1 as Added. A batch transform that makes k events of a window of n
// counts n-k as Merged where 0 < k < n, k-n as Added where k > n, and n as Filtered where k is 0.
type RouteCounts struct {
	In           uint64 `json:"in"`
	Added        uint64 `json:"added"`
	Filtered     uint64 `json:"filtered"` // that the route did not take, or a transform left out
	Merged       uint64 `json:"merged"`   // that batch transforms made into fewer
	Held         uint64 `json:"held"`     // that wait in the windows of batch transforms now
	Dropped      uint64 `json:"dropped"`  // that a transform failed on, with on_error: drop
	DeadLettered uint64 `json:"dead_lettered"`
	Returned     uint64 `json:"returned"` // given back to a source that can replay
	Out          uint64 `json:"out"`

	WindowsEndedEarly uint64 `json:"windows_ended_early"` // by the bounds collect.bytes and collect.keys
}

// add adds b. It copies nothing: the counts are added once per batch.
func (a *RouteCounts) add(b *RouteCounts) {
	a.In += b.In
	a.Added += b.Added
	a.Filtered += b.Filtered
	a.Merged += b.Merged
	a.Held += b.Held
	a.Dropped += b.Dropped
	a.DeadLettered += b.DeadLettered
	a.Returned += b.Returned
	a.Out += b.Out
	a.WindowsEndedEarly += b.WindowsEndedEarly
}

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
	// Capacity and CapacityBytes bound Queued and QueuedBytes.
	Capacity      uint64 `json:"capacity"`
	CapacityBytes uint64 `json:"capacity_bytes"`
	Retrying      uint64 `json:"retrying"`  // of those queued: failed, and waiting for their next attempt
	HeldBack      uint64 `json:"held_back"` // of those queued: waiting for one of their key before them
}

// Waiting is how many copies are neither delivered nor given up.
func (a QueueCounts) Waiting() uint64 { return a.Queued + a.Writing }

// SourceRecord keeps the counts of a source. Its successor after a reload goes on with the same record.
type SourceRecord struct {
	lastEvent atomic.Int64 // when the source received its last event, in Unix nanoseconds; 0 before the first

	mu     sync.Mutex
	counts SourceCounts
}

// Received notes when the source received its last event.
func (r *SourceRecord) Received(at time.Time) { r.lastEvent.Store(at.UnixNano()) }

// LastEvent returns when the source received its last event; nil before the first.
func (r *SourceRecord) LastEvent() *time.Time {
	if at := r.lastEvent.Load(); at != 0 {
		return new(time.Unix(0, at))
	}
	return nil
}

// Emit counts n events that the source emits. They are outstanding then.
func (r *SourceRecord) Emit(n uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.Emitted += n
	r.counts.Outstanding += n
}

// Settle counts n outstanding events as acked or nacked.
func (r *SourceRecord) Settle(n uint64, acked bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.Outstanding -= n
	if acked {
		r.counts.Acked += n
	} else {
		r.counts.Nacked += n
	}
}

// Gap counts a gap; atStart says that it is the start of the gateway itself.
func (r *SourceRecord) Gap(atStart bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.Gaps++
	if atStart {
		r.counts.GapsAtStart++
	}
}

// GapPassedOn counts a gap that was counted elsewhere.
func (r *SourceRecord) GapPassedOn() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.GapsPassedOn++
}

// Refused counts n events for which there was no room.
func (r *SourceRecord) Refused(n uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.Refused += n
}

// Keyless counts an event whose key could not be evaluated.
func (r *SourceRecord) Keyless() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.Keyless++
}

// OriginUnknown counts an event for which origin_time gave no time.
func (r *SourceRecord) OriginUnknown() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.OriginUnknown++
}

// Counts returns the counts.
func (r *SourceRecord) Counts() SourceCounts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts
}

// RouteRecord keeps the counts of a route, as [SourceRecord] those of a source.
type RouteRecord struct {
	mu     sync.Mutex
	counts RouteCounts
}

// Add adds the counts of one batch.
func (r *RouteRecord) Add(c *RouteCounts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.add(c)
}

// Counts returns the counts.
func (r *RouteRecord) Counts() RouteCounts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts
}
