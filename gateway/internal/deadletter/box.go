// Package deadletter parks events that cannot be delivered: in a sink, where one is configured, else in the dead-letter store. Without
// one they go to memory if the source cannot replay them, and else back to the source.
package deadletter

import (
	"context"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/ack"
	"eventgateway/gateway/internal/letters"
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
	log     *slog.Logger
	place   string // the component whose events it parks: "sink NAME" or "route NAME"
	letters *Letters
	kept    *atomic.Uint64 // counts what goes to letters
	target  rcu.Value[Target]
	sampler logsample.Sampler // of log lines

	Tap  *tap.Point                 // of all dead letters; nil: taps are off
	Hide atomic.Pointer[tap.Policy] // what viewers may see of these
}

// NewBox returns a box for the events of a component: "sink NAME" or "route NAME". It counts in kept what it adds to l.
// SetTarget must be called before Park.
func NewBox(log *slog.Logger, place string, l *Letters, kept *atomic.Uint64) *Box {
	return &Box{log: log, place: place, letters: l, kept: kept}
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

// Park parks an item. Its receipt goes along to the dead-letter sink, or to the store. Park reports false where the event must be
// returned to its source: then the caller settles the receipt. The source of a replayed letter is where letters are kept.
func (b *Box) Park(ctx context.Context, it queue.Item, f Failure) (parked bool) {
	b.target.Use(func(t Target) {
		where := ""
		switch {
		case it.Receipt.Of(b.letters.replays):
			b.report("back to the dead letters, where it is kept", it.Event, f)
		case t != nil:
			b.report("in "+t.Name(), it.Event, f)
			_ = t.Put(ctx, []*event.Event{f.seal(it.Event)}, it.Receipt) // where a stop ends Put, it settles the receipt
			parked, where = true, t.Name()
		default:
			if parked = b.letters.add(ctx, b.letter(it.Event, f), it.Receipt); parked {
				where = b.letters.Name()
				b.kept.Add(1)
				b.report("in "+where, it.Event, f)
			} else {
				b.report("back to its source: there is no dead_letter sink", it.Event, f)
			}
		}
		if b.Tap.Watched() {
			b.show(where, it.Event, f, parked)
		}
	})
	return parked
}

// letter returns the letter of an event.
func (b *Box) letter(e *event.Event, f Failure) letters.Letter {
	reason, attrs := f.reason(e)
	policy := b.Hide.Load()
	l := letters.Letter{
		Time: time.Now(), Component: f.Component, Place: b.place, Reason: reason, Attempts: f.Attempts, AttemptID: plugin.AttemptID(f.Err),
		Source: e.Source, Channel: e.Channel, Key: e.Key, ID: e.ID, EventTime: e.Time, Data: e.Data, Masked: policy != nil, Policy: policy.Name(),
	}
	l.SetAttrs(attrs)
	return l
}

// show shows an event that could not be delivered.
func (b *Box) show(where string, e *event.Event, f Failure, parked bool) {
	r := b.Tap.Record(b.Hide.Load, e)
	if r == nil {
		return
	}
	r.Component, r.Outcome, r.Reason, r.Attempts = f.Component, tap.Returned, f.Err.Error(), f.Attempts
	if parked {
		r.Outcome, r.To = tap.DeadLettered, []string{where}
	}
	r.Done()
}

func (b *Box) report(where string, ev *event.Event, f Failure) {
	attrs := append(stats.ErrorAttrs(f.Err), "parked", where, "component", f.Component, "attempts", f.Attempts, "channel", ev.Channel, "id", ev.ID, "bytes", len(ev.Data))
	b.sampler.Log(b.log, slog.LevelError, "event not delivered", attrs...)
}

// reason returns why the event could not be delivered, also earlier, and its attributes without those of a dead letter.
func (f Failure) reason(ev *event.Event) (reason string, attrs []event.Attr) {
	reason = f.Err.Error()
	for _, a := range ev.Attrs {
		switch a.Name {
		case plugin.DeadLetterReason:
			reason += "; before that: " + a.Value
		case plugin.DeadLetterComponent, plugin.DeadLetterAttempts, plugin.DeadLetterAttemptID, plugin.DeadLetterTime:
		default:
			attrs = append(attrs, a)
		}
	}
	return reason, attrs
}

// seal returns the event as the dead-letter sink gets it: with the same payload, and
// the failure in its attributes. An event that was parked before keeps both reasons.
func (f Failure) seal(ev *event.Event) *event.Event {
	sealed := *ev
	sealed.Attempts = nil // they were another sink's
	var reason string
	reason, sealed.Attrs = f.reason(ev)
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
