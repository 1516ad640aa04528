package stats

import (
	"fmt"
	"slices"
	"time"
)

// outage is the time from when a component goes down until it works again. The log has a line
// when it begins, one for each new reason, reminders while it lasts, and a line at
// the end. A component that is up for less than upAfter is still in the same outage.
type outage struct {
	began    time.Time // zero: none
	attempts int       // failed ones
	logged   bool      // the log has the beginning
	reasons  []string  // in the log, the latest mostReasons
	remindAt time.Time // the next reminder
	loggedAt time.Time // the last line of any outage
	timer    *time.Timer
	timers   int  // numbers the timers, so that one that was replaced does nothing
	ending   bool // timer is for the end of the outage; else it is for a reminder
}

const (
	// logEvery is the shortest time between two lines about new reasons.
	logEvery = time.Second
	// upAfter is how long a component must be up until the log has the end of the outage.
	upAfter = time.Second
	// RemindEvery is the time between reminders.
	RemindEvery = time.Minute
	// mostReasons bounds the reasons of an outage that are kept.
	mostReasons = 8
)

func (o *outage) duration() string { return time.Since(o.began).Round(time.Millisecond).String() }

// setTimer calls f after d, with the lock of m, unless the timer is set again before. f returns
// a function that logs.
func (m *Monitor) setTimer(d time.Duration, f func() (log func())) {
	o := &m.outage
	if o.timer != nil {
		o.timer.Stop()
	}
	o.timers++
	number := o.timers
	o.timer = time.AfterFunc(d, func() {
		log := func() {}
		m.mu.Lock()
		if number == o.timers {
			log = f()
		}
		m.mu.Unlock()
		log()
	})
}

// attemptFailed counts a failed attempt. It needs the lock.
func (m *Monitor) attemptFailed(now time.Time) {
	o := &m.outage
	begins := o.began.IsZero()
	if begins {
		o.began, o.remindAt = now, now.Add(RemindEvery)
	}
	o.attempts++
	if begins || o.ending {
		o.ending = false
		m.setTimer(time.Until(o.remindAt), m.remind)
	}
}

// shouldLog reports whether to log a failure: the first one, and each with a new reason. Of new reasons, one per
// second is logged, because a receiver may answer anything; the others are logged when they occur again. A failure
// that is followed by a long pause is always logged. It needs the lock.
func (m *Monitor) shouldLog(before Health, retry time.Duration) bool {
	o := &m.outage
	if o.logged && slices.ContainsFunc(o.reasons, func(r string) bool { return sameReason(r, m.state.LastError) }) {
		return false
	}
	if longPause := before.Up && retry >= logEvery; !longPause && time.Since(o.loggedAt) < logEvery {
		return false
	}
	o.markLogged(m.state.LastError)
	return true
}

// markLogged records that the log has the reason.
func (o *outage) markLogged(reason string) {
	o.logged, o.loggedAt = true, time.Now()
	if len(o.reasons) == mostReasons {
		o.reasons = o.reasons[1:]
	}
	o.reasons = append(o.reasons, reason)
}

// remind logs that the outage lasts, also where no attempt is made.
func (m *Monitor) remind() (log func()) {
	o := &m.outage
	o.markLogged(m.state.LastError)
	o.remindAt = o.remindAt.Add(RemindEvery * (1 + time.Since(o.remindAt)/RemindEvery)) // those while the machine was suspended are left out
	m.setTimer(time.Until(o.remindAt), m.remind)
	reason, since, duration, attempts := m.state.LastError, o.began.UTC().Format(time.RFC3339), o.duration(), o.attempts
	return func() {
		m.log.Warn("component still down", "error", reason, "down_since", since, "down_for", duration, "attempts", attempts)
	}
}

// endOutageSoon ends the outage after upAfter, unless the component is down again before. It needs the lock.
func (m *Monitor) endOutageSoon() {
	o := &m.outage
	if o.began.IsZero() {
		return
	}
	o.ending = true
	m.setTimer(upAfter, func() func() {
		logged, since, duration, attempts := o.logged, m.state.Since, m.state.Since.Sub(o.began), o.attempts
		m.endOutage()
		if !logged {
			return func() {}
		}
		return func() {
			m.timeline.AddAt(since, m.component, KindOutage, LevelRecovery, fmt.Sprintf("works again after %v, %s", duration.Round(time.Millisecond), attemptsText(attempts)))
			m.log.Info("component recovered", "down_for", duration.Round(time.Millisecond).String(), "attempts", attempts)
		}
	})
}

func attemptsText(n int) string {
	if n == 1 {
		return "1 failed attempt"
	}
	return fmt.Sprintf("%d failed attempts", n)
}

// endOutage forgets the outage. It needs the lock.
func (m *Monitor) endOutage() {
	o := &m.outage
	if o.timer != nil {
		o.timer.Stop()
	}
	m.outage = outage{loggedAt: o.loggedAt, timers: o.timers + 1}
}
