package postgresnotify

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/event"
	"eventgateway/gateway/logsample"
	"eventgateway/gateway/plugin"
)

const (
	maxFetchers = 4    // sessions that fetch at the same time
	maxWaiting  = 1000 // events that wait for fetches
)

// fetchQueue holds the events whose rows are being fetched, and behind each of them the later
// changes of the same row. Other events do not wait, so a slow fetch delays one row only. At most
// one row of a table is fetched at a time, so that one table cannot take all sessions. An event
// whose row cannot be fetched in time is emitted with its key only.
//
// Only the goroutine of Run uses it. The fetches themselves run in goroutines of their own.
type fetchQueue struct {
	newFetcher func() *fetcher
	log        *slog.Logger
	unfetched  prometheus.Counter
	lanes      []*lane // in the order of arrival
	events     int     // in all lanes
	running    int
	idle       []*fetcher
	results    chan result // has room for every fetch that runs
	wake       atomic.Pointer[context.CancelFunc]
	goroutines sync.WaitGroup
	warnings   logsample.Sampler
	panicked   *plugin.PanicError // of a fetch; nil: none
}

// lane holds events in the order of arrival, in which they are emitted. They are of one row, or of
// several rows that one event may belong to.
type lane struct {
	channel string
	events  []*waitingEvent
	rows    []largeRow // of all events that were in the lane
}

// item is one event of a lane.
type waitingEvent struct {
	event     *event.Event
	arrivedAt time.Time
	large     *largeRow // the row to fetch; nil if the event only waits for earlier ones
	state     fetchState
}

type fetchState int

const (
	queued fetchState = iota
	running
	done // fetched, given up, or not to be fetched
)

var errFetchOverload = errors.New("too many rows wait for a fetch, or a fetch takes too long")

type result struct {
	lane    *lane
	item    *waitingEvent
	fetcher *fetcher
	data    []byte // nil if the row is deleted
	err     error
}

func newFetchQueue(newFetcher func() *fetcher, log *slog.Logger, unfetched prometheus.Counter) *fetchQueue {
	return &fetchQueue{newFetcher: newFetcher, log: log, unfetched: unfetched, results: make(chan result, maxFetchers), warnings: logsample.Sampler{Burst: 5, Interval: 10 * time.Second}}
}

// add queues an event that must wait, and reports whether it did. It starts the fetch of a large row.
func (w *fetchQueue) add(ctx context.Context, e *event.Event) bool {
	large := isLargeRow(e.Data)
	if !large && len(w.lanes) == 0 {
		return false
	}
	added := &waitingEvent{event: e, arrivedAt: time.Now(), state: done}
	if large {
		m, err := parseLargeRow(e.Data)
		switch {
		case err != nil:
			w.emitKeyOnly(e.Channel, err)
		case w.events >= maxWaiting:
			w.emitKeyOnly(e.Channel, errFetchOverload)
		default:
			added.large, added.state = &m, queued
		}
	}
	l := w.laneOf(e)
	if l == nil && added.large == nil {
		return false
	}
	if l == nil {
		l = &lane{channel: e.Channel}
		w.lanes = append(w.lanes, l)
	}
	l.events = append(l.events, added)
	if m := added.large; m != nil && !slices.ContainsFunc(l.rows, func(r largeRow) bool { return r.table == m.table && r.matches(m.key) }) {
		l.rows = append(l.rows, *m)
	}
	w.events++
	w.start(ctx)
	return true
}

// laneOf returns the lane of an event's row, nil if none waits. Only events of large rows name their
// table: any other event may belong to each row with its key. Lanes that an event may belong to are
// merged.
func (w *fetchQueue) laneOf(e *event.Event) (found *lane) {
	var fields map[string]json.RawMessage
	sameChannel := func(l *lane) bool { return l.channel == e.Channel }
	if !slices.ContainsFunc(w.lanes, sameChannel) || json.Unmarshal(e.Data, &fields) != nil {
		return nil
	}
	rows := map[string]map[string]json.RawMessage{} // by the field that holds them
	matches := func(m largeRow) bool {
		row, parsed := rows[m.field]
		if !parsed {
			_ = json.Unmarshal(fields[m.field], &row) // without a row it matches no lane
			rows[m.field] = row
		}
		return m.matches(row)
	}
	w.lanes = slices.DeleteFunc(w.lanes, func(l *lane) bool {
		if l.channel != e.Channel || !slices.ContainsFunc(l.rows, matches) {
			return false
		}
		if found == nil {
			found = l
			return false
		}
		found.merge(l)
		return true
	})
	return found
}

// merge adds the events of another lane, in the order of arrival.
func (l *lane) merge(other *lane) {
	l.events, l.rows = append(l.events, other.events...), append(l.rows, other.rows...)
	slices.SortStableFunc(l.events, func(a, b *waitingEvent) int { return a.arrivedAt.Compare(b.arrivedAt) })
}

// start starts fetches while sessions are free: of the first event of each lane, if no
// other row of its table is being fetched.
func (w *fetchQueue) start(ctx context.Context) {
	busy := map[string]bool{}
	for _, l := range w.lanes {
		for _, it := range l.events {
			if it.state == running {
				busy[it.large.table] = true
			}
		}
	}
	for _, l := range w.lanes {
		if w.running >= maxFetchers {
			return
		}
		it := l.events[0]
		if it.state != queued || busy[it.large.table] {
			continue
		}
		var f *fetcher
		if n := len(w.idle); n > 0 {
			f, w.idle = w.idle[n-1], w.idle[:n-1]
		} else {
			f = w.newFetcher()
		}
		busy[it.large.table], it.state = true, running
		w.running++
		w.goroutines.Add(1)
		var data []byte
		plugin.Go(func() (err error) {
			data, err = f.payload(ctx, it.arrivedAt, l.channel, *it.large)
			return err
		}, func(err error) {
			defer w.goroutines.Done()
			w.results <- result{l, it, f, data, err}
			if wake := w.wake.Load(); wake != nil {
				(*wake)()
			}
		})
	}
}

// cancelOnResult calls cancel when a fetch ends, or at once if one has ended.
func (w *fetchQueue) cancelOnResult(cancel context.CancelFunc) {
	w.wake.Store(&cancel)
	if len(w.results) > 0 {
		cancel()
	}
}

// finished returns the events that need not wait any more, in the order of each lane.
func (w *fetchQueue) finished(ctx context.Context) (out []*event.Event) {
	for len(w.results) > 0 {
		r := <-w.results
		w.running--
		w.idle = append(w.idle, r.fetcher)
		if w.panicked == nil {
			errors.As(r.err, &w.panicked)
		}
		switch {
		case r.item.state == done: // given up
		case r.err != nil:
			w.emitKeyOnly(r.lane.channel, r.err)
		case r.data != nil:
			r.item.event.Data = r.data
		}
		r.item.state = done
	}
	full := w.events > maxWaiting
	w.lanes = slices.DeleteFunc(w.lanes, func(l *lane) bool {
		for len(l.events) > 0 {
			it := l.events[0]
			if it.state != done && (full || it.state == queued && time.Since(it.arrivedAt) > fetchTimeout) {
				w.emitKeyOnly(l.channel, errFetchOverload)
				it.state = done
			}
			if it.state != done {
				return false
			}
			out = append(out, it.event)
			l.events = l.events[1:]
			w.events--
		}
		return true
	})
	w.start(ctx)
	return out
}

// emitKeyOnly counts an event that is emitted with its key only, and logs the reason of some.
func (w *fetchQueue) emitKeyOnly(channel string, err error) {
	w.unfetched.Inc()
	w.warnings.Log(w.log, slog.LevelWarn, "large row not fetched", "effect", "its event has only the primary key", "channel", channel, "error", err)
}

// close waits for running fetches, which end with their context, and closes the sessions.
func (w *fetchQueue) close() {
	w.goroutines.Wait()
	for len(w.results) > 0 {
		w.idle = append(w.idle, (<-w.results).fetcher)
	}
	for _, f := range w.idle {
		f.close()
	}
}
