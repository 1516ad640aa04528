package router

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"eventgateway/gateway/event"
)

// drawnEvent is an event of the model, and where it stands.
type drawnEvent struct {
	name, key, before, table, barrier string
}

func (e *drawnEvent) joins() bool { return e.before != "" || e.barrier != "" }

func (e *drawnEvent) event() *event.Event {
	ev := &event.Event{ID: e.name, Key: e.key}
	for _, a := range []event.Attr{{Name: event.Table, Value: e.table}, {Name: event.KeyBefore, Value: e.before}, {Name: event.Barrier, Value: e.barrier}} {
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
	inHand     [][]item        // by take
	late       map[string]bool // held for long
	put        int
	gone       int
}

func (m *linesModel) drop(name string) {
	m.open = slices.DeleteFunc(m.open, func(e *drawnEvent) bool { return e.name == name })
	delete(m.late, name)
}

// took checks that a take was allowed to have these.
func (m *linesModel) took(t *rapid.T, items []item) {
	at := map[string]int{} // places in the take, from 1
	for i, it := range items {
		if m.late[it.ev.ID] {
			t.Fatalf("%s was taken before its time", it.ev.ID)
		}
		at[it.ev.ID] = i + 1
	}
	for i, e := range m.open {
		if at[e.name] == 0 || !m.byKey {
			continue
		}
		for _, o := range m.open[:i] {
			if e.waitsFor(o) && (at[o.name] == 0 || at[o.name] > at[e.name] || e.joins() || o.joins()) {
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
			hands[it.ev.ID] = true
		}
	}
	for i, e := range m.open {
		if !hands[e.name] && !m.late[e.name] && !(m.byKey && slices.ContainsFunc(m.open[:i], e.waitsFor)) {
			return e.name
		}
	}
	return ""
}

// exact reports whether a take of n events must have had all that is free: an event that joins
// keys is alone in its write; and where keys are configured, a barrier waits for other tables.
func (m *linesModel) exact(n int) bool {
	return !m.byKey || n == 0 && !m.configured || !slices.ContainsFunc(m.open, (*drawnEvent).joins)
}

// TestEventsWaitForTheirKeyOnly drives a queue as several workers do: they take, settle,
// hold, and give back. An event is taken exactly when everything before it of its keys is
// settled, and its own time has come; with ordering none, when its own time has come.
func TestEventsWaitForTheirKeyOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := DefaultDelivery()
		d.Workers = rapid.IntRange(1, 2).Draw(t, "workers")
		d.Ordering = rapid.SampledFrom([]string{OrderingKey, OrderingKey, OrderingNone}).Draw(t, "ordering")
		d.Queue.WhenFull = rapid.SampledFrom([]string{WhenFullDropOldest, WhenFullDropNewest, WhenFullLatestPerKey}).Draw(t, "when_full")
		d.Queue.Size = rapid.SampledFrom([]int{1, 3, 10, 1000}).Draw(t, "size")
		q := newQueue(d)
		sources := []*source{{}, {}}
		m := &linesModel{byKey: d.Ordering == OrderingKey, configured: rapid.Bool().Draw(t, "configured"), late: map[string]bool{}}
		take := func(t *rapid.T, most int) bool {
			if d.Workers == 1 && len(m.inHand) > 0 { // one worker takes when it has settled
				return false
			}
			q.mu.Lock()
			q.marks = nil // the gaps of what was dropped, which part what is taken, are another test's
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
			q.settle(items, delivered)
			finish(items, nil)
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				for range rapid.SampledFrom([]int{1, 1, 5, 100}).Draw(t, "n") {
					e := drawEvent(t, fmt.Sprint(m.put), m.configured)
					m.put++
					m.open = append(m.open, e)
					r := newReceipt(func(error) { m.drop(e.name); m.gone++ })
					r.of = sources[m.put%2]
					if _, err := q.put(t.Context(), []*event.Event{e.event()}, r); err != nil {
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
			"hold": func(t *rapid.T) { // some of a take fail, from one on, the others are delivered
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
						m.late[it.ev.ID] = true
					}
					items[from+j].trial = &trial{attempts: 1, due: due}
				}
				q.hold(items[from:])
				q.settle(items[:from], delivered)
				finish(items[:from], nil)
			},
			"put back": func(t *rapid.T) {
				if len(m.inHand) > 0 {
					i := rapid.IntRange(0, len(m.inHand)-1).Draw(t, "take")
					q.putBack(m.inHand[i])
					m.inHand = slices.Delete(m.inHand, i, i+1)
				}
			},
			"give back": func(*rapid.T) { q.giveBack(sources[0], time.Now().Add(time.Minute)) },
			"withdraw":  func(*rapid.T) { q.withdraw(sources[1]) },
			"hand over": func(t *rapid.T) {
				if len(m.inHand) > 0 || rapid.IntRange(0, 3).Draw(t, "really") > 0 {
					return
				}
				next := newQueue(d)
				items, gaps, counts := q.handOver()
				next.inherit(items, gaps)
				next.counts = counts
				q = next
			},
			"": func(t *rapid.T) {
				c := q.snapshot()
				if err := (Status{Sinks: []SinkStatus{{QueueCounts: c}}}).Conserved(); err != nil {
					t.Fatal(err)
				}
				if c.Retrying+c.HeldBack > c.Queued || c.QueuedBytes != c.Queued*overhead {
					t.Fatalf("%+v", c)
				}
			},
		})
		for len(m.inHand) > 0 {
			settle(0)
		}
		items, _, _ := q.handOver()
		q = newQueue(d)
		for i := range items {
			if items[i].trial != nil {
				items[i].trial.due = time.Time{}
			}
		}
		clear(m.late)
		q.inherit(items, nil)
		q.counts.Writing = 0
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
	d := DefaultDelivery()
	d.Queue.Size, d.Queue.WhenFull, d.Ordering = 2, WhenFullDropOldest, OrderingNone
	q := newQueue(d)
	var told []error
	for i := range 4 {
		r := newReceipt(func(err error) { told = append(told, err) })
		if _, err := q.put(t.Context(), []*event.Event{{ID: fmt.Sprint(i)}}, r); err != nil {
			t.Fatal(err)
		}
		items, gap, _ := q.take(t.Context(), nil, 1)
		if gap != nil { // of what was dropped
			items, _, _ = q.take(t.Context(), nil, 1)
		}
		items[0].trial = &trial{attempts: 1, due: time.Now().Add(time.Hour)}
		q.hold(items)
	}
	if c := q.snapshot(); c.Queued != 2 || c.Retrying != 2 || c.Dropped[WhenFullDropOldest] != 2 || len(told) != 2 || !errors.Is(told[0], errDropped) {
		t.Errorf("%+v, told %v", c, told)
	}
}
