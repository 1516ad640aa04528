package expr

import "time"

// TimeBudget is a token bucket of time for the evaluation of filters. One goroutine uses it.
type TimeBudget struct {
	balance time.Duration
	updated time.Time
}

// NewTimeBudget returns a budget with a balance.
func NewTimeBudget(balance time.Duration) TimeBudget { return TimeBudget{balance, time.Now()} }

// Spend refills the budget by perSecond up to a limit, subtracts the time spent, and returns the balance. It
// is negative if the budget was too small.
func (b *TimeBudget) Spend(spent time.Duration, perSecond, limit time.Duration, now time.Time) time.Duration {
	filled := time.Duration(now.Sub(b.updated).Seconds() * float64(perSecond))
	b.balance = min(b.balance+filled, limit) - spent
	b.updated = now
	return b.balance
}

// Clip removes a positive balance, which is time that was not used.
func (b *TimeBudget) Clip() { b.balance = min(b.balance, 0) }
