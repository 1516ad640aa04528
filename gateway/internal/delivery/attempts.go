package delivery

import (
	"strconv"
	"sync"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/queue"
	"eventgateway/gateway/plugin"
)

// Bounds of the attempts that a sink stores.
const (
	maxAttempts      = 200
	maxAttemptBytes  = 4 << 20 // of events and exchanges
	maxAttemptEvents = 256 << 10
)

// The outcomes of an attempt.
const (
	AttemptDelivered = "delivered"
	AttemptFailed    = "failed"   // another one follows
	AttemptGaveUp    = "given_up" // the events are parked, or returned to their source
)

// attempt is one attempt to deliver events, as the plugin has reported it, with its outcome.
type attempt struct {
	plugin.AttemptReport
	attemptOutcome
	events []*event.Event // nil: too large
	first  *event.Event   // the first of the events; without its payload if events is nil
	count  int            // number of the events
	number int            // of the attempt to deliver them, from 1 on
	bytes  int
}

// attemptOutcome is what became of the events of an attempt.
type attemptOutcome struct {
	outcome string
	err     error     // nil: delivered
	next    time.Time // when the next attempt is due; zero: there is none, or it is not known
}

// attempts are the latest attempts of a sink. They survive a reload. They refer to the events, which are read-only, so that an attempt
// costs little until an operator reads it.
type attempts struct {
	mu    sync.Mutex
	list  []*attempt // the oldest first
	bytes int
	total uint64
	// awaited has the channels that await returns, by the event.
	awaited map[*event.Event]chan *attempt
}

// add adds an attempt.
func (l *attempts) add(a *attempt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total++
	if a.ID == "" {
		a.ID = strconv.FormatUint(l.total, 10)
	}
	l.list = append(l.list, a)
	l.bytes += a.bytes
	for len(l.list) > maxAttempts || l.bytes > maxAttemptBytes && len(l.list) > 1 {
		l.bytes -= l.list[0].bytes
		l.list[0] = nil
		l.list = l.list[1:]
	}
	if len(l.awaited) == 0 {
		return
	}
	for _, e := range a.events {
		if waiting, ok := l.awaited[e]; ok {
			delete(l.awaited, e)
			waiting <- a
		}
	}
}

// latest returns the attempts, the latest first.
func (l *attempts) latest() []*attempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]*attempt, 0, len(l.list))
	for i := len(l.list) - 1; i >= 0; i-- {
		out = append(out, l.list[i])
	}
	return out
}

// find returns the attempt with an ID, or nil.
func (l *attempts) find(id string) *attempt {
	for _, a := range l.latest() {
		if a.ID == id {
			return a
		}
	}
	return nil
}

// await returns a channel that gets the next attempt with an event. The caller calls forget when it does not wait any more.
func (l *attempts) await(e *event.Event) (next <-chan *attempt, forget func()) {
	waiting := make(chan *attempt, 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.awaited == nil {
		l.awaited = map[*event.Event]chan *attempt{}
	}
	l.awaited[e] = waiting
	return waiting, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.awaited, e)
	}
}

// reports collects the reports of one write.
type reports struct {
	mu   sync.Mutex
	list []plugin.AttemptReport
}

// add adds a report. The plugin calls it by [plugin.ReportAttempt].
func (r *reports) add(a plugin.AttemptReport) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, a)
}

// each calls f with the reports of the write, which has returned, and forgets them.
func (r *reports) each(f func(plugin.AttemptReport)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.list {
		f(a)
	}
	clear(r.list)
	r.list = r.list[:0]
}

// recordAttempts stores the attempts of a write of items, with their outcome.
func (w *worker) recordAttempts(items []queue.Item, number int, o attemptOutcome) {
	if w.reports == nil {
		return
	}
	w.reports.each(func(report plugin.AttemptReport) {
		a := &attempt{AttemptReport: report, attemptOutcome: o, count: len(items), number: number, bytes: report.Size}
		size := 0
		for i := range items {
			size += len(items[i].Event.Data) + queue.Overhead
		}
		if size > maxAttemptEvents {
			a.first = items[0].Event.WithData(nil)
		} else {
			a.first, a.bytes = items[0].Event, a.bytes+size
			for i := range items {
				a.events = append(a.events, items[i].Event)
			}
		}
		w.sink.attempts.add(a)
	})
}

// failedAttempt returns the outcome of a failed write. pause is how long the breaker stops all writes after it.
func failedAttempt(v verdict, pause time.Duration) attemptOutcome {
	o, now := attemptOutcome{outcome: AttemptGaveUp, err: v.cause}, time.Now()
	for _, d := range v.events {
		switch d.action {
		case deliver, park:
			continue
		case delay:
			pause = d.pause
		}
		o.outcome = AttemptFailed
		if due := now.Add(pause); !v.disable && (o.next.IsZero() || due.Before(o.next)) {
			o.next = due
		}
	}
	return o
}
