package websocket

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/expr"
)

const (
	// burstSeconds is how many seconds of unused time a filter may accumulate.
	burstSeconds = 10
	// backfillTime is additional time of an address, per event of the history that its clients may ask for.
	backfillTime = 20 * time.Microsecond
)

// budgets bounds what clients may ask a feeder for: the topics that are evaluated for each event, the time of
// evaluations, and memory.
type budgets struct {
	opts      Options
	filtered  int                         // number of topics with channels or a filter
	unindexed int                         // of these, those that are evaluated for each event
	byAddress map[string]int              // number of the latter in which an address has clients
	times     map[string]*expr.TimeBudget // by address
}

func newBudgets(o Options) budgets {
	return budgets{opts: o, byAddress: map[string]int{}, times: map[string]*expr.TimeBudget{}}
}

// bounded reports whether max_topics bounds a topic.
func (t *topic) bounded() bool { return t.filtered() && !t.indexed }

// countTopic counts a topic that is added (n is 1) or removed (-1).
func (b *budgets) countTopic(t *topic, n int) {
	if t.filtered() {
		b.filtered += n
	}
	if t.bounded() {
		b.unindexed += n
	}
}

// addClient counts a client of an address in a topic.
func (b *budgets) addClient(t *topic, address string) {
	if !t.bounded() {
		return
	}
	if t.addresses == nil {
		t.addresses = map[string]int{}
	}
	if t.addresses[address]++; t.addresses[address] == 1 {
		b.byAddress[address]++
	}
}

// removeClient counts a client of an address in a topic no more.
func (b *budgets) removeClient(t *topic, address string) {
	if !t.bounded() {
		return
	}
	if t.addresses[address]--; t.addresses[address] == 0 {
		delete(t.addresses, address)
		if b.byAddress[address]--; b.byAddress[address] == 0 {
			delete(b.byAddress, address)
		}
	}
}

// Errors of [feeder.admit].
var (
	errTooManyTopics    = errors.New("too many different subscriptions: compare a field with a constant by ==, subscribe as other clients do, or try again later")
	errTooManyOfAddress = errors.New("too many different subscriptions from this address: use fewer filters, or compare a field with a constant by ==")
	errAddressBusy      = errors.New("filters from this address have taken too much time: try again later")
)

// admit returns an error if a client of an address may not have a topic, which may be new.
func (f *feeder) admit(address string, t *topic) error {
	b := &f.budgets
	isNew := f.topics[t.key] == nil
	if t.bounded() {
		if isNew && b.unindexed >= b.opts.MaxTopics {
			return errTooManyTopics
		}
		if t.addresses[address] == 0 && b.byAddress[address] >= b.maxTopicsPerAddress() {
			return errTooManyOfAddress
		}
	}
	if !isNew || !t.filtered() {
		return nil
	}
	if budget := b.times[address]; budget != nil && budget.Spend(0, b.opts.Limits.FilterTime.D(), f.addressBurst(), time.Now()) < b.filterBurst()/2 {
		return errAddressBusy
	}
	return nil
}

// maxTopicsPerAddress returns how many topics that max_topics bounds the clients of one address may have. By
// default it is a quarter of max_topics.
func (b *budgets) maxTopicsPerAddress() int {
	if n := b.opts.Limits.FiltersPerAddress; n > 0 {
		return n
	}
	return max(b.opts.MaxTopics/4, 1)
}

// filterBurst returns the size of the time budget of a filter.
func (b *budgets) filterBurst() time.Duration { return burstSeconds * b.opts.Limits.FilterTime.D() }

// addressBurst returns the size of the time budget of an address. It suffices for as many clients that resume as the
// address may have filters.
func (f *feeder) addressBurst() time.Duration {
	events := f.budgets.maxTopicsPerAddress() * int(f.historyTop.next-f.historyTop.first)
	return f.budgets.filterBurst() + time.Duration(events)*backfillTime
}

// fill gives a new topic its budget of time.
func (b *budgets) fill(t *topic) { t.timeBudget = expr.NewTimeBudget(b.filterBurst()) }

// chargeTime subtracts the time of a turn from the budget of a filtered topic. If the topic exceeds its budget, it also
// charges the address that created the topic, and returns the reason why the topic must end. It measures wall time,
// which includes other load of the machine, so the budgets are generous.
func (f *feeder) chargeTime(t *topic, spent time.Duration) *endReason {
	b := &f.budgets
	perSecond := b.opts.Limits.FilterTime.D()
	if perSecond == 0 || !t.filtered() {
		return nil
	}
	if t.timeBudget.Spend(spent, perSecond, b.filterBurst(), time.Now()) >= 0 {
		return nil
	}
	budget := f.chargeAddress(t.creator, spent)
	budget.Clip() // else the address could create another filter, with a full budget
	return &endReason{closePolicy, "time", fmt.Sprintf("this filter takes more than %v of time a second: simplify it", perSecond)}
}

// chargeAddress subtracts time from the budget of an address, and returns the budget.
func (f *feeder) chargeAddress(address string, spent time.Duration) *expr.TimeBudget {
	b, now, limit := &f.budgets, time.Now(), f.addressBurst()
	budget := b.times[address]
	if budget == nil {
		for other, o := range b.times { // those that are full again
			if o.Spend(0, b.opts.Limits.FilterTime.D(), limit, now) >= limit {
				delete(b.times, other)
			}
		}
		budget = new(expr.NewTimeBudget(limit))
		b.times[address] = budget
	}
	budget.Spend(spent, b.opts.Limits.FilterTime.D(), limit, now)
	return budget
}

// maxTopicBytes returns how many bytes a topic may hold: an equal share of limits.filter_memory. 0: only the history
// bounds it.
func (f *feeder) maxTopicBytes(t *topic) int64 {
	if !t.filtered() {
		return 0
	}
	return int64(f.hub.opts.Limits.FilterMemory) / int64(max(f.budgets.filtered, 1))
}

// reportMemory updates the memory of all filtered topics in the metric.
func (f *feeder) reportMemory(t *topic) {
	if !t.filtered() {
		return
	}
	size := t.size()
	if t.removed {
		size = 0
	}
	if size != t.reported {
		f.hub.memory.add(size - t.reported)
		t.reported = size
	}
}

// byteGauge counts the bytes that filtered topics hold, and sets a metric to it.
type byteGauge struct {
	bytes atomic.Int64
	gauge prometheus.Gauge
}

// add adds a number of bytes, which may be negative.
func (g *byteGauge) add(n int64) { g.gauge.Set(float64(g.bytes.Add(n))) }
