package router

import (
	"slices"
	"time"
)

// outage is the time from when a component goes down until it works again, as the log tells
// it: a line when it begins, one for each other reason, reminders while it lasts, and a line at
// the end. A component that is up for a moment only is still in the same outage.
type outage struct {
	began    time.Time // zero: none
	attempts int       // that have failed in it
	told     bool      // the log says that the component is down
	reasons  []string  // that stand in the log, the latest of them
	logged   time.Time // when the last line of any outage was written
	reminded int       // how many reminders there were
	alarm    *time.Timer
	alarms   int  // how often alarm was set
	settling bool // alarm is for the end of the outage; else it is for a reminder
}

const (
	// settlesAfter is how long a component must be up until the log says that it works again.
	settlesAfter = time.Second
	// remindEvery is the time between reminders after those of remindAt.
	remindEvery = 10 * time.Minute
	// mostReasons bounds those of an outage that are kept.
	mostReasons = 8
)

// remindAt is how long an outage has lasted at its first reminders.
var remindAt = [...]time.Duration{time.Minute, 5 * time.Minute, 10 * time.Minute}

// lasts says how long the outage has lasted.
func (o *outage) lasts() string { return time.Since(o.began).Round(time.Millisecond).String() }

// next is how long the outage has lasted at the next reminder.
func (o *outage) next() time.Duration {
	last := len(remindAt) - 1
	if o.reminded <= last {
		return remindAt[o.reminded]
	}
	return remindAt[last] + time.Duration(o.reminded-last)*remindEvery
}

// set has f called after d, with the lock of h, unless the alarm is set again before. f returns
// what to log then.
func (h *health) set(d time.Duration, f func() (log func())) {
	o := &h.outage
	if o.alarm != nil {
		o.alarm.Stop()
	}
	o.alarms++
	number := o.alarms
	o.alarm = time.AfterFunc(d, func() {
		log := func() {}
		h.mu.Lock()
		if number == o.alarms {
			log = f()
		}
		h.mu.Unlock()
		log()
	})
}

// lasts notes a failed attempt. It needs the lock.
func (h *health) lasts(now time.Time) {
	o := &h.outage
	begins := o.began.IsZero()
	if begins {
		o.began = now
	}
	o.attempts++
	if begins || o.settling {
		o.settling = false
		h.set(time.Until(o.began.Add(o.next())), h.remind)
	}
}

// tells reports whether a failure is to be logged: the first one, and one for a reason that the
// log has not. Of many in a second the first is, for a receiver may answer anything, and any
// after which nothing is tried for a while; the others are when they come again. was is the state
// before. It needs the lock.
func (h *health) tells(was Health, retry time.Duration) bool {
	o := &h.outage
	if o.told && slices.ContainsFunc(o.reasons, func(r string) bool { return alike(r, h.state.LastError) }) {
		return false
	}
	if long := was.Up && retry >= logEvery; !long && time.Since(o.logged) < logEvery {
		return false
	}
	o.says(h.state.LastError)
	return true
}

// says notes that a line with the reason is logged.
func (o *outage) says(reason string) {
	o.told, o.logged = true, time.Now()
	if len(o.reasons) == mostReasons {
		o.reasons = o.reasons[1:]
	}
	o.reasons = append(o.reasons, reason)
}

// remind has it logged that the outage lasts, whether anything is tried or not.
func (h *health) remind() (log func()) {
	o := &h.outage
	o.says(h.state.LastError)
	o.reminded++
	h.set(time.Until(o.began.Add(o.next())), h.remind)
	reason, lasts, attempts := h.state.LastError, o.lasts(), o.attempts
	return func() { h.log.Warn("still down", "error", reason, "down_for", lasts, "attempts", attempts) }
}

// settles ends the outage, unless the component is down again soon. It needs the lock.
func (h *health) settles() {
	o := &h.outage
	if o.began.IsZero() {
		return
	}
	o.settling = true
	h.set(settlesAfter, func() func() {
		told, lasted, attempts := o.told, h.state.Since.Sub(o.began), o.attempts
		h.over()
		if !told {
			return func() {}
		}
		return func() {
			h.log.Info("works again", "after", lasted.Round(time.Millisecond).String(), "attempts", attempts)
		}
	})
}

// over forgets the outage. It needs the lock.
func (h *health) over() {
	o := &h.outage
	if o.alarm != nil {
		o.alarm.Stop()
	}
	h.outage = outage{logged: o.logged, alarms: o.alarms + 1}
}
