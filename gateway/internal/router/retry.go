package router

import (
	"math/rand/v2"
	"time"

	"eventgateway/gateway/event"
)

// quick is how many attempts are made one soon after the other; 0 is without end.
func (r *Retry) quick() int {
	if len(r.Schedule) > 0 {
		return max(r.Attempts, 1)
	}
	return r.Attempts
}

// exhausted says whether an event that has failed n times is given up.
func (r *Retry) exhausted(n int) bool {
	quick := r.quick()
	return quick > 0 && n >= quick+len(r.Schedule)
}

// late says whether what has failed n times waits for the schedule.
func (r *Retry) late(n int) bool { return len(r.Schedule) > 0 && n >= r.quick() && !r.exhausted(n) }

// backoff gives the pauses between attempts that are made one soon after the other.
func (r *Retry) backoff() backoff { return backoff{initial: r.Initial.D(), max: r.Max.D()} }

// pause is how long an event waits that has failed n times: full jitter, or as the
// schedule says and up to a tenth longer, so that what failed together does not come back
// together.
func (r *Retry) pause(n int) time.Duration {
	if r.late(n) {
		d := r.Schedule[n-r.quick()].D()
		return d + rand.N(d/10+1)
	}
	b := r.backoff()
	b.attempt = n - 1
	return b.next()
}

// recall says how an event goes on whose source remembers failed attempts.
func (r *Retry) recall(ev *event.Event) *trial {
	n := ev.Tried.Attempts
	if r.exhausted(n) { // the schedule was longer once: it gets another chance
		n = r.quick() + len(r.Schedule) - 1
	}
	if !r.late(n) {
		return nil
	}
	pause := r.pause(n)
	due := ev.Tried.Last.Add(pause)
	if latest := time.Now().Add(pause); due.After(latest) { // another clock was ahead
		due = latest
	}
	return &trial{attempts: n, due: due}
}
