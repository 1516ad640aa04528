package router

import (
	"errors"
	"slices"
	"time"

	"eventgateway/gateway/plugin"
)

// partly settles what a *plugin.Partial says is delivered. It returns the rest,
// each with its error.
func (l *lane) partly(items []item, err error) (left []item, reasons []error) {
	var p *plugin.Partial
	if !errors.As(err, &p) {
		return items, slices.Repeat([]error{err}, len(items))
	}
	var done []item
	for i, it := range items {
		if why := p.Failed[i]; why != nil {
			left, reasons = append(left, it), append(reasons, why)
		} else {
			done = append(done, it)
		}
	}
	l.delivered(done)
	return left, reasons
}

// judge parks the items that can never be delivered, or have failed often enough.
// It returns those to try again, in order, and the pause that they ask for.
func (l *lane) judge(items []item, reasons []error, attempt int) (again []item, pause time.Duration) {
	most := l.sink.spec.Delivery.Retry.Attempts
	last := most > 0 && attempt >= most
	for i, it := range items {
		if !last && !plugin.IsPermanent(reasons[i]) {
			again = append(again, it)
			pause = max(pause, plugin.RetryDelay(reasons[i]))
			continue
		}
		l.park(it, letter{component: "sink " + l.sink.name, err: reasons[i], attempts: attempt})
	}
	return again, pause
}

// park settles an item that cannot be delivered: it goes to the dead-letter sink
// together with its receipt; without such a sink to the list in memory, where its
// source cannot replay it, and else back to its source.
func (l *lane) park(it item, why letter) {
	switch l.sink.letters.park(l.sink.writing, it, why) {
	case parked:
		l.queue.count(1, deadLettered)
	case refused:
		l.queue.count(1, returned)
		it.receipt.done(why.err)
	}
}
