package tap

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"eventgateway/gateway/expr"
)

const (
	// MaxLimit is the most events that a viewer gets in a second.
	MaxLimit = 20
	// maxWaiting and maxPinned bound the records that wait for a viewer, and their payloads in bytes.
	maxWaiting = 64
	maxPinned  = 4 << 20
	// timePerSecond is how long the events of a viewer may be filtered and compared in each second, averaged over
	// timeBurst of it.
	timePerSecond = 50 * time.Millisecond
	timeBurst     = 10 * timePerSecond
)

// Options are the options of a viewer.
type Options struct {
	Filter expr.Condition // of [expr.CompileFilter]; zero: all events
	Limit  int            // events per second, from 1 to MaxLimit
}

// Viewer looks at a point. One goroutine uses it; components call wants and put.
type Viewer struct {
	hub     *Hub
	point   *Point
	filter  expr.Condition
	eval    expr.Evaluator
	pace    pace
	records chan *waiting
	places  atomic.Int64 // of records that are waiting or under way to the viewer, at most maxWaiting
	pinned  atomic.Int64 // bytes of payloads in records
	seen    atomic.Uint64
	skipped atomic.Uint64 // since the last event that was shown
	total   atomic.Uint64 // all that were skipped
	refused uint64        // that do not match the filter
	budget  expr.TimeBudget

	ending sync.Once
	ended  chan struct{}
	reason string // is read after ended is closed
}

type waiting struct {
	*Record
	size int
}

func newViewer(h *Hub, p *Point, o Options) *Viewer {
	return &Viewer{
		hub: h, point: p, filter: o.Filter, pace: newPace(o.Limit), eval: expr.NewEvaluator(time.Now, expr.NewUUID),
		records: make(chan *waiting, maxWaiting), ended: make(chan struct{}), budget: expr.NewTimeBudget(timeBurst),
	}
}

// Close ends the viewer.
func (v *Viewer) Close() {
	v.point.remove(v)
	v.end("closed")
	v.hub.left()
}

func (v *Viewer) end(reason string) {
	v.ending.Do(func() {
		v.reason = reason
		close(v.ended)
	})
}

// Place returns where the viewer looks, such as "route.publish".
func (v *Viewer) Place() string { return place(v.point.Name) }

// Counts has the number of events that have passed the point since the viewer began, and the numbers of those that were
// skipped, and that did not match the filter.
type Counts struct {
	Seen     uint64 `json:"seen"`
	Skipped  uint64 `json:"skipped"`
	Filtered uint64 `json:"filtered"`
}

// Counts returns the counts.
func (v *Viewer) Counts() Counts { return Counts{v.seen.Load(), v.total.Load(), v.refused} }

// wants counts an event that passes, and reports whether the viewer has room for it. Components call it.
func (v *Viewer) wants() bool {
	v.seen.Add(1)
	if v.pinned.Load() < maxPinned && v.places.Load() < maxWaiting && (!v.filter.IsZero() || v.pace.allow()) {
		if v.places.Add(1) <= maxWaiting {
			return true
		}
		v.places.Add(-1)
	}
	v.skip()
	return false
}

func (v *Viewer) skip() {
	v.skipped.Add(1)
	v.total.Add(1)
}

// put gives a record to the viewer, which has a place for it by wants. Components call it.
func (v *Viewer) put(r *Record, size int) {
	v.pinned.Add(int64(size))
	v.records <- &waiting{r, size}
}

// Next waits for the next event to show. It returns nil when ctx ends or the viewer was ended: then [Viewer.Ended] has the
// reason.
func (v *Viewer) Next(ctx context.Context) *Item {
	for {
		if !v.awaitBudget(ctx) {
			return nil
		}
		var w *waiting
		select {
		case w = <-v.records:
		default:
			select {
			case w = <-v.records:
			case <-v.ended:
				return nil
			case <-ctx.Done():
				return nil
			}
		}
		v.pinned.Add(-int64(w.size))
		v.places.Add(-1)
		if item := v.show(w.Record); item != nil {
			return item
		}
	}
}

// Ended returns why the viewer was ended; "" while it was not.
func (v *Viewer) Ended() string {
	select {
	case <-v.ended:
		return v.reason
	default:
		return ""
	}
}

// awaitBudget waits until there is time to show events. It reports false if ctx ends before.
func (v *Viewer) awaitBudget(ctx context.Context) bool {
	balance := v.budget.Spend(0, timePerSecond, timeBurst, time.Now())
	if balance >= 0 {
		return true
	}
	timer := time.NewTimer(time.Duration(float64(-balance) / float64(timePerSecond) * float64(time.Second)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// show returns the item of a record, or nil if the record does not match the filter or exceeds the limit.
func (v *Viewer) show(r *Record) *Item {
	begin := time.Now()
	defer func() { v.budget.Spend(time.Since(begin), timePerSecond, timeBurst, time.Now()) }()
	if !v.matches(r) {
		v.refused++
		return nil
	}
	if !v.filter.IsZero() && !v.pace.allow() {
		v.skip()
		return nil
	}
	item := r.item()
	item.Skipped = v.skipped.Swap(0)
	return item
}

// matches evaluates the filter over the event that came in, as the viewer may see it: else a filter could reveal hidden values.
// An event for which it cannot be evaluated does not match.
func (v *Viewer) matches(r *Record) (matches bool) {
	if v.filter.IsZero() {
		return true
	}
	defer func() {
		if p := recover(); p != nil {
			matches = false
		}
	}()
	for i := range r.Events {
		e := r.Events[i]
		data, err := r.Hide.ShowPayload(e.Data)
		if err != nil {
			continue
		}
		e.Data = data
		if ok, err := v.eval.True(v.filter, &e); err == nil && ok {
			return true
		}
	}
	return false
}

// pace lets a bounded number of events through in any second: some at once, and the others evenly.
type pace struct {
	start           time.Time
	interval, slack int64        // nanoseconds
	next            atomic.Int64 // when the next event is due, since start; up to slack before it passes, too
}

func newPace(perSecond int) pace {
	burst := max(1, perSecond/4)
	rate := max(float64(perSecond-burst), 0.5)
	interval := int64(float64(time.Second) / rate)
	return pace{start: time.Now(), interval: interval, slack: int64(burst-1) * interval}
}

func (p *pace) allow() bool {
	now := int64(time.Since(p.start))
	for {
		next := p.next.Load()
		due := max(next, now)
		if due-now > p.slack {
			return false
		}
		if p.next.CompareAndSwap(next, due+p.interval) {
			return true
		}
	}
}
