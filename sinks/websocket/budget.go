package websocket

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// filterBurst is for how many seconds a filter may save the time that it does not take.
	burstSeconds = 10
	// filterHistory is the time per event of the history that a filter has beside, once.
	backfillTime = 20 * time.Microsecond
	// leastShare bounds in bytes what a topic must have to work: chunks of its log, one
	// that is read and one that is written.
	minTopicBytes = 4 * chunkSize
)

// timeBudget is time that may be taken, and is filled again as time goes by.
type timeBudget struct {
	balance time.Duration
	updated time.Time
}

// spend fills the purse, takes some time out, and returns what is left, which is negative
// where it was not enough.
func (p *timeBudget) spend(spent time.Duration, perSecond, most time.Duration, now time.Time) time.Duration {
	filled := time.Duration(now.Sub(p.updated).Seconds() * float64(perSecond))
	p.balance = min(p.balance+filled, most) - spent
	p.updated = now
	return p.balance
}

// filterBurst returns how much time a filter may take at once that is made of so many events.
func (h *hub) filterBurst(history int) time.Duration {
	return burstSeconds*h.opts.Limits.FilterTime.D() + time.Duration(history)*backfillTime
}

// addressBurst returns how much time an address may take at once: enough to make as many
// filters as it may have.
func (h *hub) addressBurst() time.Duration {
	return h.filterBurst(h.maxTopicsPerAddress() * int(h.history.next-h.history.first))
}

// chargeTime has a topic pay for the time that it has taken, and the address for which it was
// made for what it takes of the history. It returns why the topic ends, where that was too
// much. The time is that of the clock: what else the machine does counts, so the bounds are
// wide.
func (h *hub) chargeTime(t *topic, spent time.Duration) *endReason {
	perSecond := h.opts.Limits.FilterTime.D()
	if perSecond == 0 || !t.filtered() {
		return nil
	}
	now := time.Now()
	left := t.timeBudget.spend(spent, perSecond, t.burst, now)
	made := t.cursor.offset() > t.createdAt
	if left >= 0 && made {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.timeBudgets[t.creator]
	if p == nil {
		h.removeFullBudgets(now)
		p = &timeBudget{h.addressBurst(), now}
		h.timeBudgets[t.creator] = p
	}
	p.spend(spent, perSecond, h.addressBurst(), now)
	if left >= 0 {
		return nil
	}
	p.balance = min(p.balance, 0) // else it would come back at once, with another filter and a full purse
	return &endReason{closePolicy, "time", fmt.Sprintf("this filter takes too much time: more than %v a second; make it simpler", perSecond)}
}

// removeFullBudgets forgets the addresses whose purses are full again.
func (h *hub) removeFullBudgets(now time.Time) {
	for address, p := range h.timeBudgets {
		if most := h.addressBurst(); p.spend(0, h.opts.Limits.FilterTime.D(), most, now) >= most {
			delete(h.timeBudgets, address)
		}
	}
}

// Why a client gets no other subscription.
var (
	errTooManyTopics    = errors.New("too many different subscriptions: subscribe to what others have, or try again later")
	errTooManyOfAddress = errors.New("too many different subscriptions from this address: use fewer filters and channels")
	errAddressBusy      = errors.New("filters from this address have taken too much time: try again later")
	errNoTopicMemory    = errors.New("too many different subscriptions for the memory that they may take: subscribe to what others have, or try again later")
)

// admitTopic says whether clients of an address may have a topic of channels or a filter; t is
// nil where it has to be made. It needs the lock.
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
	if p := h.timeBudgets[address]; p != nil && p.spend(0, h.opts.Limits.FilterTime.D(), h.addressBurst(), time.Now()) < h.filterBurst(0)/2 {
		return errAddressBusy
	}
	return nil
}

// maxTopicsPerAddress returns how many topics one address may have: where the configuration does not
// say, a quarter of all.
func (h *hub) maxTopicsPerAddress() int {
	if n := h.opts.Limits.FiltersPerAddress; n > 0 {
		return n
	}
	return max(h.opts.MaxTopics/4, 1)
}

// shareMemory shares the memory of topics among those that there are: where one is added, the
// others keep less of the history. It needs the lock.
func (h *hub) shareMemory() {
	h.memoryShare.Store(int64(h.opts.Limits.FilterMemory) / int64(max(h.filteredTopics, 1)))
	for _, t := range h.filterGroup.topics {
		t.trim(h.opts.History, h.maxTopicBytes(t), h.now())
	}
}

// maxTopicBytes returns how many bytes a topic may keep; 0: the history bounds it alone.
func (h *hub) maxTopicBytes(t *topic) int64 {
	if !t.filtered() {
		return 0
	}
	return h.memoryShare.Load()
}

// byteGauge counts what topics keep, and shows it as a metric.
type byteGauge struct {
	bytes atomic.Int64
	gauge prometheus.Gauge
}

func (k *byteGauge) add(n int64) { k.gauge.Set(float64(k.bytes.Add(n))) }

// maxLagBytes returns how many bytes a client of a topic may be behind: what it has not got is
// kept for it.
func (h *hub) maxLagBytes(t *topic) uint64 {
	if t.fed && t.filtered() {
		return min(uint64(h.opts.MaxLag.Bytes), uint64(h.memoryShare.Load()))
	}
	return uint64(h.opts.MaxLag.Bytes)
}
