package router

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// letter says why an event could not be delivered.
type letter struct {
	component string // "sink NAME", or "route NAME, transform NAME"
	err       error
	attempts  int
}

// letterbox is where a sink or a route parks the events that it cannot deliver.
type letterbox struct {
	log    *slog.Logger
	memory *deadLetters
	kept   *atomic.Uint64 // went to memory
	to     cell[*edge]    // the dead-letter sink; nil: none
	quiet  limiter        // of the log
}

// verdicts of park.
const (
	parked  = iota // the event is the dead-letter sink's, or in memory
	refused        // it must go back to its source
)

// park parks an item. Its receipt goes with it to the dead-letter sink, and stays
// with the caller where it is refused.
func (b *letterbox) park(ctx context.Context, it item, why letter) (verdict int) {
	b.to.use(func(to *edge) {
		switch {
		case to != nil:
			b.say("parked in "+to.sink.name, it.ev, why)
			_ = to.put(ctx, []*event.Event{why.seal(it.ev)}, it.receipt) // what a stop cuts short is settled there
		case it.receipt == nil:
			b.say("parked in memory", it.ev, why)
			b.memory.add(it.ev, why)
			b.kept.Add(1)
		default:
			b.say("given back to its source, for want of a dead_letter sink", it.ev, why)
			verdict = refused
		}
	})
	return verdict
}

// say logs it, but not every one of many.
func (b *letterbox) say(what string, ev *event.Event, why letter) {
	if more, ok := b.quiet.allow(); ok {
		b.log.Error("an event could not be delivered: "+what, "component", why.component, "error", why.err,
			"attempts", why.attempts, "channel", ev.Channel, "id", ev.ID, "bytes", len(ev.Data), "others_since_the_last_line", more)
	}
}

// seal returns the event as the dead-letter sink gets it: its bytes untouched, and
// in its attributes why. An event that was parked before keeps both reasons.
func (why letter) seal(ev *event.Event) *event.Event {
	sealed := *ev
	sealed.Attrs, sealed.Tried = nil, nil // the attempts were another sink's
	reason := why.err.Error()
	for _, a := range ev.Attrs {
		switch a.Name {
		case plugin.LetterReason:
			reason += "; before that: " + a.Value
		case plugin.LetterComponent, plugin.LetterAttempts, plugin.LetterTime:
		default:
			sealed.Attrs = append(sealed.Attrs, a)
		}
	}
	sealed.Attrs = append(sealed.Attrs,
		event.Attr{Name: plugin.LetterReason, Value: reason},
		event.Attr{Name: plugin.LetterComponent, Value: why.component},
		event.Attr{Name: plugin.LetterAttempts, Value: strconv.Itoa(why.attempts)},
		event.Attr{Name: plugin.LetterTime, Value: time.Now().UTC().Format(time.RFC3339Nano)})
	return &sealed
}

// limiter lets one line through in each logEvery, and counts the others.
type limiter struct {
	mu   sync.Mutex
	last time.Time
	held int
}

const logEvery = time.Second

// allow says whether to log now, and how many were held back since the last time.
func (l *limiter) allow() (held int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if !l.last.IsZero() && now.Sub(l.last) < logEvery {
		l.held++
		return 0, false
	}
	held, l.held, l.last = l.held, 0, now
	return held, true
}
