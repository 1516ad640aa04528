package delivery

import (
	"math/rand/v2"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/backoff"
	"eventgateway/gateway/internal/queue"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// Retry says how failed writes are tried again: first by backoff, Attempts times, then by Schedule.
type Retry struct {
	Initial  options.Duration   `koanf:"initial" rule:"min=1ms" doc:"upper bound of the first pause; pauses are random between zero and their bound (full jitter)"`
	Max      options.Duration   `koanf:"max" rule:"min=1ms" doc:"upper bound of every pause"`
	MaxAfter options.Duration   `koanf:"max_after" doc:"upper bound of a pause that the receiver asks for, such as by Retry-After"`
	Attempts int                `koanf:"attempts" rule:"min=0" doc:"failed attempts with growing pauses, after which an event waits for the schedule or becomes a dead letter"`
	Schedule []options.Duration `koanf:"schedule" doc:"pauses before further attempts, each up to a tenth longer, such as [5s, 5m, 30m, 2h, 5h, 10h, 14h, 20h, 24h]"`
}

// Docs is part of [options.Documented].
func (Retry) Docs() map[string]string {
	return map[string]string{
		"attempts": "0 is endless, or with a schedule 1",
		"schedule": "A source redis-stream with a group stores the attempts across restarts",
	}
}

// Check is part of [options.Checker].
func (r *Retry) Check(report func(option, text string)) {
	if r.Max < r.Initial {
		report("max", "must not be less than initial ("+r.Initial.String()+")")
	}
}

// backoffAttempts returns how many attempts are made by backoff; 0 is without end.
func (r *Retry) backoffAttempts() int {
	if len(r.Schedule) > 0 {
		return max(r.Attempts, 1)
	}
	return r.Attempts
}

// exhausted reports whether an event that has failed n times is parked.
func (r *Retry) exhausted(n int) bool {
	attempts := r.backoffAttempts()
	return attempts > 0 && n >= attempts+len(r.Schedule)
}

// scheduled reports whether an event that has failed n times waits for the schedule.
func (r *Retry) scheduled(n int) bool {
	return len(r.Schedule) > 0 && n >= r.backoffAttempts() && !r.exhausted(n)
}

// backoff returns the pauses between attempts that are not scheduled.
func (r *Retry) backoff() backoff.Backoff {
	return backoff.Backoff{Initial: r.Initial.D(), Max: r.Max.D()}
}

// pause returns how long an event waits that has failed n times. A scheduled pause is up to a tenth longer than
// configured, so that events which failed together are not all retried together.
func (r *Retry) pause(n int) time.Duration {
	if r.scheduled(n) {
		d := r.Schedule[n-r.backoffAttempts()].D()
		return d + rand.N(d/10+1)
	}
	return r.backoff().After(n)
}

// asked returns the pause that a receiver asks for by an error, within MaxAfter.
func (r *Retry) asked(err error) time.Duration {
	return min(plugin.RetryDelay(err), r.MaxAfter.D())
}

// restore returns the retry of an event whose source remembers failed attempts; nil where the event is written
// at once.
func (r *Retry) restore(ev *event.Event) *queue.Retry {
	n := ev.Attempts.Failed
	if r.exhausted(n) { // the schedule was longer before: the event gets one more attempt
		n = r.backoffAttempts() + len(r.Schedule) - 1
	}
	if !r.scheduled(n) {
		return nil
	}
	pause := r.pause(n)
	due := ev.Attempts.Last.Add(pause)
	if latest := time.Now().Add(pause); due.After(latest) { // the clock of another machine was ahead
		due = latest
	}
	return &queue.Retry{Attempts: n, Due: due}
}
