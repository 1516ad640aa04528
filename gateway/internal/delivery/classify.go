package delivery

import (
	"time"

	"eventgateway/gateway/internal/component"
	"eventgateway/gateway/internal/tracing"
	"eventgateway/gateway/plugin"
)

// result is what a write has returned.
type result struct {
	err      error
	each     []error // of each event; nil: it was delivered
	perEvent bool    // single events have failed, and not the sink
	span     *tracing.Span
}

// action is what becomes of one event after a write.
type action int

const (
	deliver  action = iota // the event was delivered
	together               // it is written again with the others, as soon as the sink works
	delay                  // it waits for its own next attempt
	isolate                // it is written alone, after the breaker's pause: an event of the batch makes the plugin panic
	park                   // it becomes a dead letter
)

// decision is what becomes of one event, and why.
type decision struct {
	action   action
	err      error
	attempts int           // failed ones, with this write where it counts
	pause    time.Duration // of delay
	remember bool          // the source may store the attempt: the next one is far away
}

// verdict is what a failed write means for the sink and for each event.
type verdict struct {
	signal  signal
	disable bool          // nothing is written any more until a reload
	asked   time.Duration // pause that the receiver asks for
	cause   error         // for people
	events  []decision
}

// classify decides what a failed write means. attempts is how often each event has failed before; pause returns the
// pause after the nth failure. gateway/docs/delivery.md has the table of its decisions, which a test writes.
func classify(r result, attempts []int, retry *Retry, pause func(n int) time.Duration) verdict {
	if !r.perEvent {
		return classifySink(r.err, attempts, retry, pause)
	}
	v := verdict{signal: eventsFailed, cause: r.err, events: make([]decision, len(attempts))}
	for i, err := range r.each {
		v.events[i] = classifyEvent(err, attempts[i], retry, pause)
		if err == nil || plugin.IsPermanent(err) {
			v.signal = sinkWorks
		}
	}
	for _, err := range r.each {
		if plugin.IsUnavailable(err) { // whatever the sink took before that
			v.signal, v.asked, v.cause = sinkUnavailable, retry.asked(err), err
			break
		}
	}
	return v
}

// classifySink decides where the write has failed as a whole.
func classifySink(err error, attempts []int, retry *Retry, pause func(n int) time.Duration) verdict {
	v := verdict{signal: failureOf(err), disable: plugin.IsDisabling(err), asked: retry.asked(err), cause: err, events: make([]decision, len(attempts))}
	panicked := component.IsPanic(err) && len(attempts) > 1
	if plugin.IsPermanent(err) && !panicked { // the sink works, and refuses these events
		v.signal = sinkWorks
	}
	for i, n := range attempts {
		switch {
		case v.disable:
			v.events[i] = decision{action: together, err: err, attempts: n}
		case panicked:
			v.events[i] = decision{action: isolate, err: err, attempts: n}
		case !plugin.IsPermanent(err) && !plugin.IsUnavailable(err) && len(retry.Schedule) > 0:
			// The schedule is for events. No event has failed, so none waits for longer than the sink does.
			v.events[i] = decision{action: together, err: err, attempts: n}
		default:
			d := classifyEvent(err, n, retry, pause)
			if d.action == delay {
				d.action, d.pause = together, 0
			}
			v.events[i] = d
		}
	}
	return v
}

// classifyEvent decides what becomes of one event.
func classifyEvent(err error, attempts int, retry *Retry, pause func(n int) time.Duration) decision {
	n := attempts + 1
	switch {
	case err == nil:
		return decision{action: deliver, attempts: attempts}
	case plugin.IsPermanent(err):
		return decision{action: park, err: err, attempts: n}
	case plugin.IsUnavailable(err):
		return decision{action: together, err: err, attempts: attempts}
	case retry.exhausted(n):
		return decision{action: park, err: err, attempts: n}
	}
	return decision{action: delay, err: err, attempts: n, pause: max(pause(n), retry.asked(err)), remember: retry.scheduled(n)}
}

// failureOf returns the signal of a sink that has failed as a whole.
func failureOf(err error) signal {
	if plugin.IsUnavailable(err) {
		return sinkUnavailable
	}
	return sinkFailed
}
