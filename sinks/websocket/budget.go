package websocket

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// burstSeconds is how many seconds of unused time a filter may accumulate.
	burstSeconds = 10
	// backfillTime is additional time of a new filter, per event of the history.
	backfillTime = 20 * time.Microsecond
	// minTopicBytes is the least share of memory of a filtered topic, in bytes: its log needs a
	// chunk that is read and one that is written.
	minTopicBytes = 4 * chunkSize
)

// timeBudget is a token bucket of evaluation time.
type timeBudget struct {
	balance time.Duration
	updated time.Time
}

// spend refills the budget up to a limit, subtracts the time spent, and returns the balance. It
// is negative if the budget was too small.
func (b *timeBudget) spend(spent time.Duration, perSecond, limit time.Duration, now time.Time) time.Duration {
	filled := time.Duration(now.Sub(b.updated).Seconds() * float64(perSecond))
	b.balance = min(b.balance+filled, limit) - spent
	b.updated = now
	return b.balance
}

// filterBurst returns the size of the time budget of a filter that reads history events first.
func (h *hub) filterBurst(history int) time.Duration {
	return burstSeconds*h.opts.Limits.FilterTime.D() + time.Duration(history)*backfillTime
}

// addressBurst returns the size of the time budget of an address. It suffices to create as many
// filters as the address may have.
func (h *hub) addressBurst() time.Duration {
	return h.filterBurst(h.maxTopicsPerAddress() * int(h.history.next-h.history.first))
}

// chargeTime subtracts the time of a turn from the budget of a filtered topic. While the topic
// reads the history, or exceeds its budget, it also charges the address that created the topic. It
// returns the reason if the topic must end. It measures wall time, which includes other load
// of the machine, so the budgets are generous.
func (h *hub) chargeTime(t *topic, spent time.Duration) *endReason {
	perSecond := h.opts.Limits.FilterTime.D()
	if perSecond == 0 || !t.filtered() {
		return nil
	}
	now := time.Now()
	remaining := t.timeBudget.spend(spent, perSecond, t.burst, now)
	createdLater := t.cursor.offset() > t.createdAt
	if remaining >= 0 && createdLater {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	budget := h.timeBudgets[t.creator]
	if budget == nil {
		h.removeFullBudgets(now)
		budget = &timeBudget{h.addressBurst(), now}
		h.timeBudgets[t.creator] = budget
	}
	budget.spend(spent, perSecond, h.addressBurst(), now)
	if remaining >= 0 {
		return nil
	}
	budget.balance = min(budget.balance, 0) // else the address could create another filter, with a full budget
	return &endReason{closePolicy, "time", fmt.Sprintf("this filter takes more than %v of time a second: simplify it", perSecond)}
}

// removeFullBudgets removes the budgets that are full again.
func (h *hub) removeFullBudgets(now time.Time) {
	for address, budget := range h.timeBudgets {
		if limit := h.addressBurst(); budget.spend(0, h.opts.Limits.FilterTime.D(), limit, now) >= limit {
			delete(h.timeBudgets, address)
		}
	}
}

// Errors of [hub.admitTopic].
var (
	errTooManyTopics    = errors.New("too many different subscriptions: subscribe as other clients do, or try again later")
	errTooManyOfAddress = errors.New("too many different subscriptions from this address: use fewer filters and channels")
	errAddressBusy      = errors.New("filters from this address have taken too much time: try again later")
	errNoTopicMemory    = errors.New("too many different subscriptions for the configured memory: subscribe as other clients do, or try again later")
)

// admitTopic returns an error if a client of an address may not have a filtered topic; t is nil
// if it must be created. It needs the hub's lock.
func (h *hub) admitTopic(address string, t *topic) error {
	if t == nil && h.filteredTopics >= h.opts.MaxTopics {
		return errTooManyTopics
	}
	if (t == nil || t.holders[address] == 0) && h.topicsByAddress[address] >= h.maxTopicsPerAddress() {
		return errTooManyOfAddress
	}
	if t != nil {
		return nil
	}
	if int64(h.opts.Limits.FilterMemory)/int64(h.filteredTopics+1) < minTopicBytes {
		return errNoTopicMemory
	}
	if budget := h.timeBudgets[address]; budget != nil && budget.spend(0, h.opts.Limits.FilterTime.D(), h.addressBurst(), time.Now()) < h.filterBurst(0)/2 {
		return errAddressBusy
	}
	return nil
}

// maxTopicsPerAddress returns how many filtered topics the clients of one address may have. By
// default it is a quarter of max_topics.
func (h *hub) maxTopicsPerAddress() int {
	if n := h.opts.Limits.FiltersPerAddress; n > 0 {
		return n
	}
	return max(h.opts.MaxTopics/4, 1)
}

// shareMemory divides limits.filter_memory equally among the filtered topics, and trims those
// that exceed their share. It needs the hub's lock.
func (h *hub) shareMemory() {
	h.memoryShare.Store(int64(h.opts.Limits.FilterMemory) / int64(max(h.filteredTopics, 1)))
	for _, t := range h.filterGroup.topics {
		t.trim(h.opts.History, h.maxTopicBytes(t), h.now())
	}
}

// maxTopicBytes returns how many bytes a topic may hold; 0: only history bounds it.
func (h *hub) maxTopicBytes(t *topic) int64 {
	if !t.filtered() {
		return 0
	}
	return h.memoryShare.Load()
}

// byteGauge counts the bytes that filtered topics hold, and sets a metric to it.
type byteGauge struct {
	bytes atomic.Int64
	gauge prometheus.Gauge
}

// add adds a number of bytes, which may be negative.
func (g *byteGauge) add(n int64) { g.gauge.Set(float64(g.bytes.Add(n))) }

// maxLagBytes returns the greatest lag of a client of a topic, in bytes. The unsent messages of a
// filtered topic count as its memory, so its share bounds them.
func (h *hub) maxLagBytes(t *topic) uint64 {
	if t.fed && t.filtered() {
		return min(uint64(h.opts.MaxLag.Bytes), uint64(h.memoryShare.Load()))
	}
	return uint64(h.opts.MaxLag.Bytes)
}
