package postgresnotify

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"eventgateway/gateway/event"
)

const (
	maxFetchers = 4    // sessions that fetch at the same time
	maxWaiting  = 1000 // events that wait for fetches
)

// waiting holds the events whose rows are being fetched, and behind each of them the later
// changes of the same row. All other events pass by: a fetch that hangs delays one row. At most
// one row of a table is fetched at a time, so that one table cannot take all sessions. An event
// whose row cannot be fetched in time goes on with its key.
//
// Only the goroutine of Run uses it. The fetches themselves run in goroutines of their own.
type waiting struct {
	newFetcher func() *fetcher
	log        *slog.Logger
	lanes      []*lane // in the order of arrival
	events     int     // in all lanes
	running    int
	idle       []*fetcher
	results    chan result // has room for every fetch that runs
	wake       atomic.Pointer[context.CancelFunc]
	goroutines sync.WaitGroup
	warnings   rate.Sometimes
}

var errTooMany = errors.New("too many rows wait to be fetched, or a fetch takes too long")

// lane is the changes of one row, in their order. The first one is marked.
type lane struct {
	marked  marked
	channel string
	events  []*event.Event
	since   time.Time // when the first one began to wait
	running bool
	left    bool // its events have gone on without the result
}

type result struct {
	lane    *lane
	fetcher *fetcher
	data    []byte
	err     error
}

func newWaiting(newFetcher func() *fetcher, log *slog.Logger) *waiting {
	return &waiting{newFetcher: newFetcher, log: log, results: make(chan result, maxFetchers), warnings: rate.Sometimes{First: 5, Interval: 10 * time.Second}}
}

// add takes an event that must wait, and reports whether it has. An event that is marked
// begins to be fetched.
func (w *waiting) add(ctx context.Context, e *event.Event) bool {
	if !isMarked(e.Data) {
		return len(w.lanes) > 0 && w.follow(e, "")
	}
	m, err := parseMarked(e.Data)
	if err != nil {
		w.warn(e.Channel, err)
		return false
	}
	if w.follow(e, m.table) {
		return true
	}
	if w.events >= maxWaiting {
		w.warn(e.Channel, errTooMany)
		return false
	}
	w.lanes = append(w.lanes, &lane{marked: m, channel: e.Channel, events: []*event.Event{e}, since: time.Now()})
	w.events++
	w.start(ctx)
	return true
}

// follow appends an event to the lane of its row, where there is one. Only events that are marked
// name their table: any other follows a row with the same key, of whichever table.
func (w *waiting) follow(e *event.Event, table string) bool {
	var fields map[string]json.RawMessage
	if len(w.lanes) == 0 || json.Unmarshal(e.Data, &fields) != nil {
		return false
	}
	rows := map[string]map[string]json.RawMessage{} // by the field that holds them
	for _, l := range w.lanes {
		if l.channel != e.Channel || table != "" && table != l.marked.table {
			continue
		}
		row, parsed := rows[l.marked.field]
		if !parsed {
			_ = json.Unmarshal(fields[l.marked.field], &row) // none is no row of any lane
			rows[l.marked.field] = row
		}
		if l.marked.isRow(row) {
			l.events = append(l.events, e)
			w.events++
			return true
		}
	}
	return false
}

// start begins the fetches for which there is a session, and which are the first of their table.
func (w *waiting) start(ctx context.Context) {
	busy := map[string]bool{}
	for _, l := range w.lanes {
		if busy[l.marked.table] || l.running {
			busy[l.marked.table] = true
			continue
		}
		if w.running >= maxFetchers {
			return
		}
		var f *fetcher
		if n := len(w.idle); n > 0 {
			f, w.idle = w.idle[n-1], w.idle[:n-1]
		} else {
			f = w.newFetcher()
		}
		busy[l.marked.table], l.running = true, true
		w.running++
		channel, m := l.channel, l.marked
		w.goroutines.Go(func() {
			data, err := f.complete(ctx, channel, m)
			w.results <- result{l, f, data, err}
			if wake := w.wake.Load(); wake != nil {
				(*wake)()
			}
		})
	}
}

// onResult has cancel called when a fetch has ended, or ended before.
func (w *waiting) onResult(cancel context.CancelFunc) {
	w.wake.Store(&cancel)
	if len(w.results) > 0 {
		cancel()
	}
}

// finished returns the events that need not wait any more, in the order of each row.
func (w *waiting) finished(ctx context.Context) (out []*event.Event) {
	for len(w.results) > 0 {
		r := <-w.results
		w.running--
		w.idle = append(w.idle, r.fetcher)
		if r.lane.left {
			continue
		}
		if r.err != nil {
			w.warn(r.lane.channel, r.err)
		} else {
			r.lane.events[0].Data = r.data
		}
		out = append(out, w.leave(r.lane)...)
	}
	for _, l := range append([]*lane(nil), w.lanes...) {
		if time.Since(l.since) > fetchTimeout && !l.running || w.events > maxWaiting {
			w.warn(l.channel, errTooMany)
			out = append(out, w.leave(l)...)
		}
	}
	w.start(ctx)
	return out
}

// leave takes the first event from a lane, and those behind it up to the next one that is
// marked, which is fetched in its turn.
func (w *waiting) leave(l *lane) []*event.Event {
	n := 1
	for n < len(l.events) && !isMarked(l.events[n].Data) {
		n++
	}
	out := l.events[:n]
	w.events -= n
	l.left = true
	for i, other := range w.lanes {
		if other == l {
			w.lanes = append(w.lanes[:i], w.lanes[i+1:]...)
			break
		}
	}
	if rest := l.events[n:]; len(rest) > 0 {
		m, err := parseMarked(rest[0].Data)
		if err != nil { // it has the words of a mark, and is none
			w.events -= len(rest)
			return append(out, rest...)
		}
		w.lanes = append(w.lanes, &lane{marked: m, channel: l.channel, events: rest, since: time.Now()})
	}
	return out
}

// warn logs why an event goes on with its key only, some of them.
func (w *waiting) warn(channel string, err error) {
	w.warnings.Do(func() {
		w.log.Warn("large row not fetched: its event has the key only", "channel", channel, "error", err)
	})
}

// close waits for the fetches that run, which end with their context, and closes the sessions.
func (w *waiting) close() {
	w.goroutines.Wait()
	for len(w.results) > 0 {
		w.idle = append(w.idle, (<-w.results).fetcher)
	}
	for _, f := range w.idle {
		f.close()
	}
}
