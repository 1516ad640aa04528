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
	filterBurst = 10
	// filterHistory is the time per event of the history that a filter has beside, once.
	filterHistory = 20 * time.Microsecond
	// leastShare bounds in bytes what a topic must have to work: chunks of its log, one
	// that is read and one that is written.
	leastShare = 4 * chunkSize
)

// purse is time that may be taken, and is filled again as time goes by.
type purse struct {
	has time.Duration
	at  time.Time
}

// take fills the purse, takes some time out, and returns what is left, which is negative
// where it was not enough.
func (p *purse) take(spent time.Duration, perSecond, most time.Duration, now time.Time) time.Duration {
	filled := time.Duration(now.Sub(p.at).Seconds() * float64(perSecond))
	p.has = min(p.has+filled, most) - spent
	p.at = now
	return p.has
}

// burst returns how much time a filter may take at once that is made of so many events.
func (h *hub) burst(history int) time.Duration {
	return filterBurst*h.opts.Limits.FilterTime.D() + time.Duration(history)*filterHistory
}

// addressBurst returns how much time an address may take at once: enough to make as many
// filters as it may have.
func (h *hub) addressBurst() time.Duration {
	return h.burst(h.perAddress() * int(h.history.next-h.history.first))
}

// charge has a topic pay for the time that it has taken, and the address for which it was
// made for what it takes of the history. It returns why the topic ends, where that was too
// much. The time is that of the clock: what else the machine does counts, so the bounds are
// wide.
func (h *hub) charge(t *topic, spent time.Duration) *ending {
	perSecond := h.opts.Limits.FilterTime.D()
	if perSecond == 0 || !t.asked() {
		return nil
	}
	now := time.Now()
	left := t.purse.take(spent, perSecond, t.burst, now)
	made := t.cursor.number() > t.made
	if left >= 0 && made {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.purses[t.maker]
	if p == nil {
		h.emptyPurses(now)
		p = &purse{h.addressBurst(), now}
		h.purses[t.maker] = p
	}
	p.take(spent, perSecond, h.addressBurst(), now)
	if left >= 0 {
		return nil
	}
	p.has = min(p.has, 0) // else it would come back at once, with another filter and a full purse
	return &ending{closePolicy, "time", fmt.Sprintf("this filter takes too much time: more than %v a second; make it simpler", perSecond)}
}

// emptyPurses forgets the addresses whose purses are full again.
func (h *hub) emptyPurses(now time.Time) {
	for address, p := range h.purses {
		if most := h.addressBurst(); p.take(0, h.opts.Limits.FilterTime.D(), most, now) >= most {
			delete(h.purses, address)
		}
	}
}

// Why a client gets no other subscription.
var (
	errTooMany  = errors.New("too many different subscriptions: subscribe to what others have, or try again later")
	errHasMany  = errors.New("too many different subscriptions from this address: use fewer filters and channels")
	errTooBusy  = errors.New("filters from this address have taken too much time: try again later")
	errNoMemory = errors.New("too many different subscriptions for the memory that they may take: subscribe to what others have, or try again later")
)

// mayAsk says whether clients of an address may have a topic of channels or a filter; t is
// nil where it has to be made. It needs the lock.
func (h *hub) mayAsk(address string, t *topic) error {
	if t == nil && h.asked >= h.opts.MaxTopics {
		return errTooMany
	}
	if (t == nil || t.holders[address] == 0) && h.held[address] >= h.perAddress() {
		return errHasMany
	}
	if t != nil {
		return nil
	}
	if int64(h.opts.Limits.FilterMemory)/int64(h.asked+1) < leastShare {
		return errNoMemory
	}
	if p := h.purses[address]; p != nil && p.take(0, h.opts.Limits.FilterTime.D(), h.addressBurst(), time.Now()) < h.burst(0)/2 {
		return errTooBusy
	}
	return nil
}

// perAddress returns how many topics one address may have: where the configuration does not
// say, a quarter of all.
func (h *hub) perAddress() int {
	if n := h.opts.Limits.FiltersPerAddress; n > 0 {
		return n
	}
	return max(h.opts.MaxTopics/4, 1)
}

// divide shares the memory of topics among those that there are: where one is added, the
// others keep less of the history. It needs the lock.
func (h *hub) divide() {
	h.share.Store(int64(h.opts.Limits.FilterMemory) / int64(max(h.asked, 1)))
	for _, t := range h.filters.topics {
		t.evict(h.opts.History, h.most(t), h.now())
	}
}

// most returns how many bytes a topic may keep; 0: the history bounds it alone.
func (h *hub) most(t *topic) int64 {
	if !t.asked() {
		return 0
	}
	return h.share.Load()
}

// keptBytes counts what topics keep, and shows it as a metric.
type keptBytes struct {
	n     atomic.Int64
	shown prometheus.Gauge
}

func (k *keptBytes) add(n int64) { k.shown.Set(float64(k.n.Add(n))) }

// mayLag returns how many bytes a client of a topic may be behind: what it has not got is
// kept for it.
func (h *hub) mayLag(t *topic) uint64 {
	if t.fed && t.asked() {
		return min(uint64(h.opts.MaxLag.Bytes), uint64(h.share.Load()))
	}
	return uint64(h.opts.MaxLag.Bytes)
}
