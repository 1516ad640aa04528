package queue

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/ack"
	"eventgateway/gateway/internal/stats"
)

// drawnEvent is an event of the model, and where it stands.
type drawnEvent struct {
	name, key, before, table, barrier string
}

func (e *drawnEvent) spans() bool { return e.before != "" || e.barrier != "" }

func (e *drawnEvent) event() *event.Event {
	ev := &event.Event{ID: e.name, Key: e.key}
	for _, a := range []event.Attr{{Name: event.AttrTable, Value: e.table}, {Name: event.AttrKeyBefore, Value: e.before}, {Name: event.AttrBarrier, Value: e.barrier}} {
		if a.Value != "" {
			ev.Attrs = append(ev.Attrs, a)
		}
	}
	return ev
}

// waitsFor reports whether the event keeps its place behind an earlier one.
func (e *drawnEvent) waitsFor(o *drawnEvent) bool {
	return e.key == o.key || e.before != "" && (e.before == o.key || e.before == o.before) || o.before != "" && e.key == o.before ||
		e.barrier != "" && e.barrier == o.table || o.barrier != "" && o.barrier == e.table
}

// drawEvent draws one of two tables, whose keys begin with the table; or, where these are
// configured, with something else.
func drawEvent(t *rapid.T, name string, configured bool) *drawnEvent {
	e := &drawnEvent{name: name}
	row := func() string { return rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "row") }
	if rapid.IntRange(0, 5).Draw(t, "keyless") == 0 {
		e.key = rapid.SampledFrom([]string{"", "c"}).Draw(t, "key")
		return e
	}
	e.table = rapid.SampledFrom([]string{"a", "b"}).Draw(t, "table")
	at := e.table + ":"
	if configured {
		at = ""
	}
	e.key = at + row()
	switch rapid.IntRange(0, 9).Draw(t, "kind") {
	case 0, 1:
		e.before = at + row()
	case 2:
		e.key, e.barrier = e.table, e.table
	}
	return e
}

// linesModel is what workers know of a queue from which they take: which events are not
// settled, in order, and which of them are in whose hands.
type linesModel struct {
	byKey      bool
	configured bool
	open       []*drawnEvent   // what is not settled, the oldest first
	inHand     [][]Item        // by take
	late       map[string]bool // held for long
	put        int
	gone       int
}

func (m *linesModel) drop(name string) {
	m.open = slices.DeleteFunc(m.open, func(e *drawnEvent) bool { return e.name == name })
	delete(m.late, name)
}

// took checks that a take was allowed to have these.
func (m *linesModel) took(t *rapid.T, items []Item) {
	at := map[string]int{} // places in the take, from 1
	for i, it := range items {
		if m.late[it.Event.ID] {
			t.Fatalf("%s was taken before its time", it.Event.ID)
		}
		at[it.Event.ID] = i + 1
	}
	for i, e := range m.open {
		if at[e.name] == 0 || !m.byKey {
			continue
		}
		for _, o := range m.open[:i] {
			if e.waitsFor(o) && (at[o.name] == 0 || at[o.name] > at[e.name] || e.spans() || o.spans()) {
				t.Fatalf("%+v was taken, but %+v is before it, of %v", *e, *o, items)
			}
		}
	}
	m.inHand = append(m.inHand, items)
}

// free is an event that somebody could take now, or "".
func (m *linesModel) free() string {
	hands := map[string]bool{}
	for _, items := range m.inHand {
		for _, it := range items {
			hands[it.Event.ID] = true
		}
	}
	for i, e := range m.open {
		if !hands[e.name] && !m.late[e.name] && !(m.byKey && slices.ContainsFunc(m.open[:i], e.waitsFor)) {
			return e.name
		}
	}
	return ""
}

// exact reports whether a take of n events must have had all that is free: an event that spans
// keys is alone in its write; and where keys are configured, a barrier waits for other tables.
func (m *linesModel) exact(n int) bool {
	return !m.byKey || n == 0 && !m.configured || !slices.ContainsFunc(m.open, (*drawnEvent).spans)
}

// TestEventsWaitForTheirKeyOnly drives a queue as several workers do: they take, settle,
// hold, and give back. An event is taken exactly when everything before it of its keys is
// settled, and its own time has come; with ordering none, when its own time has come.
func TestEventsWaitForTheirKeyOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := testConfig()
		d.Shared = rapid.Bool().Draw(t, "shared")
		d.ByKey = rapid.SampledFrom([]bool{true, true, false}).Draw(t, "by key")
		d.WhenFull = rapid.SampledFrom([]string{WhenFullDropOldest, WhenFullDropNewest, WhenFullLatestPerKey}).Draw(t, "when_full")
		d.Size = rapid.SampledFrom([]int{1, 3, 10, 1000}).Draw(t, "size")
		q := New(d)
		sources := []*ack.Tracker{newTracker(), newTracker()}
		m := &linesModel{byKey: d.ByKey, configured: rapid.Bool().Draw(t, "configured"), late: map[string]bool{}}
		take := func(t *rapid.T, most int) bool {
			if !d.Shared && len(m.inHand) > 0 { // one worker takes when it has settled
				return false
			}
			q.mu.Lock()
			q.gaps = nil // the gaps of what was dropped, which part what is taken, are another test's
			items, _ := q.pick(nil, most)
			q.counts.Writing += uint64(len(items))
			q.mu.Unlock()
			if len(items) > 0 {
				m.took(t, items)
			}
			if free := m.free(); len(items) < most && free != "" && m.exact(len(items)) {
				t.Fatalf("took %d of %d although %s may be taken", len(items), most, free)
			}
			return len(items) > 0
		}
		settle := func(i int) {
			items := m.inHand[i]
			m.inHand = slices.Delete(m.inHand, i, i+1)
			q.Complete(items, Delivered)
			Done(items, nil)
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				for range rapid.SampledFrom([]int{1, 1, 5, 100}).Draw(t, "n") {
					e := drawEvent(t, fmt.Sprint(m.put), m.configured)
					m.put++
					m.open = append(m.open, e)
					r := receiptOf(sources[m.put%2], func(error) { m.drop(e.name); m.gone++ })
					if err := q.Put(t.Context(), []*event.Event{e.event()}, r); err != nil {
						t.Fatal(err)
					}
				}
			},
			"take": func(t *rapid.T) { take(t, rapid.IntRange(1, 4).Draw(t, "most")) },
			"settle": func(t *rapid.T) {
				if len(m.inHand) > 0 {
					settle(rapid.IntRange(0, len(m.inHand)-1).Draw(t, "take"))
				}
			},
			"hold": func(t *rapid.T) { // some of a take fail, from one on, the others are Delivered
				if len(m.inHand) == 0 {
					return
				}
				i := rapid.IntRange(0, len(m.inHand)-1).Draw(t, "take")
				items := m.inHand[i]
				from := rapid.IntRange(0, len(items)-1).Draw(t, "from")
				late := rapid.Bool().Draw(t, "late")
				m.inHand = slices.Delete(m.inHand, i, i+1)
				for j, it := range items[from:] {
					due := time.Now()
					if late {
						due = due.Add(time.Hour)
						m.late[it.Event.ID] = true
					}
					items[from+j].Retry = &Retry{Attempts: 1, Due: due}
				}
				q.Delay(items[from:])
				q.Complete(items[:from], Delivered)
				Done(items[:from], nil)
			},
			"put back": func(t *rapid.T) {
				if len(m.inHand) > 0 {
					i := rapid.IntRange(0, len(m.inHand)-1).Draw(t, "take")
					q.PutBack(m.inHand[i])
					m.inHand = slices.Delete(m.inHand, i, i+1)
				}
			},
			"give back": func(*rapid.T) { q.ReclaimLate(sources[0], time.Now().Add(time.Minute)) },
			"withdraw":  func(*rapid.T) { q.ReclaimAll(sources[1]) },
			"reconfigure": func(t *rapid.T) {
				if len(m.inHand) == 0 && rapid.IntRange(0, 3).Draw(t, "really") == 0 {
					q.Reconfigure(d)
				}
			},
			"": func(t *rapid.T) {
				c := q.Counts()
				if err := (stats.Status{Sinks: []stats.SinkStatus{{QueueCounts: c}}}).Conserved(); err != nil {
					t.Fatal(err)
				}
				if c.Retrying+c.HeldBack > c.Queued || c.QueuedBytes != c.Queued*Overhead {
					t.Fatalf("%+v", c)
				}
			},
		})
		for len(m.inHand) > 0 {
			settle(0)
		}
		q.mu.Lock()
		for _, ln := range q.lanes.withDelayed() {
			for i := range ln.delayed {
				if r := ln.delayed[i].Retry; r != nil {
					r.Due = time.Time{}
				}
			}
		}
		for n := q.head; n < q.tail; n++ { // one that was reconfigured has delayed events in the ring
			if it := q.slot(n); it.Event != nil && it.Retry != nil {
				it.Retry.Due = time.Time{}
			}
		}
		q.mu.Unlock()
		q.Reconfigure(d)
		clear(m.late)
		for take(t, math.MaxInt) {
			settle(0)
		}
		if m.gone != m.put {
			t.Fatalf("%d of %d were settled", m.gone, m.put)
		}
	})
}

// TestFullOfFailures: a queue in which nothing but failed events waits still drops by its
// policy, and takes new ones.
func TestFullOfFailures(t *testing.T) {
	d := testConfig()
	d.Size, d.WhenFull, d.ByKey = 2, WhenFullDropOldest, false
	q := New(d)
	var told []error
	for i := range 4 {
		r := newReceipt(func(err error) { told = append(told, err) })
		if err := q.Put(t.Context(), []*event.Event{{ID: fmt.Sprint(i)}}, r); err != nil {
			t.Fatal(err)
		}
		items, gap, _ := q.Take(t.Context(), nil, 1)
		if gap != nil { // of what was dropped
			items, _, _ = q.Take(t.Context(), nil, 1)
		}
		items[0].Retry = &Retry{Attempts: 1, Due: time.Now().Add(time.Hour)}
		q.Delay(items)
	}
	if c := q.Counts(); c.Queued != 2 || c.Retrying != 2 || c.Dropped[WhenFullDropOldest] != 2 || len(told) != 2 || !errors.Is(told[0], ack.ErrDropped) {
		t.Errorf("%+v, told %v", c, told)
	}
}
