// Package deadletter parks events that cannot be delivered: in a sink, where one is configured, else in memory,
// where the source cannot replay them, else back at the source.
package deadletter

import (
	"context"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/ack"
	"eventgateway/gateway/internal/queue"
	"eventgateway/gateway/internal/rcu"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/internal/tap"
	"eventgateway/gateway/logsample"
	"eventgateway/gateway/plugin"
)

// Failure says why an event could not be delivered.
type Failure struct {
	Component string // "sink NAME", or "route NAME, transform NAME"
	Err       error
	Attempts  int // failed ones
}

// Target is the sink that gets dead letters.
type Target interface {
	Name() string
	// Put puts events into the queue of the sink, as [queue.Queue.Put] does.
	Put(ctx context.Context, events []*event.Event, r *ack.Receipt) error
}

// Box parks the events that one sink or route cannot deliver.
type Box struct {
	log      *slog.Logger
	memory   *List
	inMemory *atomic.Uint64 // counts what goes to memory
	target   rcu.Value[Target]
	sampler  logsample.Sampler // of log lines

	Tap  *tap.Point                 // of all dead letters; nil: taps are off
	Hide atomic.Pointer[tap.Policy] // what viewers may see of these
}

// NewBox returns a box that parks in memory, and counts in inMemory what it parks there.
// SetTarget must be called before Park.
func NewBox(log *slog.Logger, memory *List, inMemory *atomic.Uint64) *Box {
	return &Box{log: log, memory: memory, inMemory: inMemory}
}

// SetTarget changes the sink that gets the dead letters; nil is none. The channel is closed when the previous one
// is not used any more.
func (b *Box) SetTarget(t Target) (unused <-chan struct{}) { return b.target.Replace(t) }

// UseTarget calls f with the sink that gets the dead letters, where there is one. It counts as used until f returns.
func (b *Box) UseTarget(f func(Target)) {
	b.target.Use(func(t Target) {
		if t != nil {
			f(t)
		}
	})
}

// Park parks an item. Its receipt goes along to the dead-letter sink. Park reports false where the event must be
// returned to its source: then the caller settles the receipt.
func (b *Box) Park(ctx context.Context, it queue.Item, f Failure) (parked bool) {
	b.target.Use(func(t Target) {
		switch {
		case t != nil:
			b.report("in "+t.Name(), it.Event, f)
			_ = t.Put(ctx, []*event.Event{f.seal(it.Event)}, it.Receipt) // where a stop ends Put, it settles the receipt
			parked = true
		case it.Receipt == nil:
			b.report("in memory", it.Event, f)
			b.memory.add(it.Event, f)
			b.inMemory.Add(1)
			parked = true
		default:
			b.report("back to its source: there is no dead_letter sink", it.Event, f)
		}
		if b.Tap.Watched() {
			b.show(t, it.Event, f, parked)
		}
	})
	return parked
}

// show shows an event that could not be delivered.
func (b *Box) show(t Target, e *event.Event, f Failure, parked bool) {
	r := b.Tap.Record(b.Hide.Load, e)
	if r == nil {
		return
	}
	r.Component, r.Outcome, r.Reason, r.Attempts = f.Component, tap.Returned, f.Err.Error(), f.Attempts
	switch {
	case t != nil:
		r.Outcome, r.To = tap.DeadLettered, []string{t.Name()}
	case parked:
		r.Outcome, r.To = tap.DeadLettered, []string{stats.InMemory}
	}
	r.Done()
}

func (b *Box) report(where string, ev *event.Event, f Failure) {
	attrs := append(stats.ErrorAttrs(f.Err), "parked", where, "component", f.Component, "attempts", f.Attempts, "channel", ev.Channel, "id", ev.ID, "bytes", len(ev.Data))
	b.sampler.Log(b.log, slog.LevelError, "event not delivered", attrs...)
}

// seal returns the event as the dead-letter sink gets it: with the same payload, and
// the failure in its attributes. An event that was parked before keeps both reasons.
func (f Failure) seal(ev *event.Event) *event.Event {
	sealed := *ev
	sealed.Attrs, sealed.Attempts = nil, nil // the attempts were another sink's
	reason := f.Err.Error()
	for _, a := range ev.Attrs {
		switch a.Name {
		case plugin.DeadLetterReason:
			reason += "; before that: " + a.Value
		case plugin.DeadLetterComponent, plugin.DeadLetterAttempts, plugin.DeadLetterAttemptID, plugin.DeadLetterTime:
		default:
			sealed.Attrs = append(sealed.Attrs, a)
		}
	}
	sealed.Attrs = append(sealed.Attrs,
		event.Attr{Name: plugin.DeadLetterReason, Value: reason},
		event.Attr{Name: plugin.DeadLetterComponent, Value: f.Component},
		event.Attr{Name: plugin.DeadLetterAttempts, Value: strconv.Itoa(f.Attempts)},
		event.Attr{Name: plugin.DeadLetterTime, Value: time.Now().UTC().Format(time.RFC3339Nano)})
	if id := plugin.AttemptID(f.Err); id != "" {
		sealed.Attrs = append(sealed.Attrs, event.Attr{Name: plugin.DeadLetterAttemptID, Value: id})
	}
	return &sealed
}
