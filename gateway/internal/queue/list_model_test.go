package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/ack"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/plugin"
)

// entry is an event or a gap that waits in the model.
type entry struct {
	gap, name, key string
	spans          bool // it spans keys
	size           int
}

// overtakes reports whether an event makes an older one worthless.
func (e entry) overtakes(older entry) bool {
	return e.gap == "" && older.gap == "" && e.key != "" && e.key == older.key && !e.spans && !older.spans
}

// queueModel is a plain list that behaves as a queue must.
type queueModel struct {
	limit   Options
	byKey   bool
	list    []entry
	taken   []entry
	items   []Item // what the queue gave for taken
	settled map[string]int
	dropped []string // by the put under way
	in      int
	closed  bool
	changed bool // the policy is not the first
	untold  int  // events that were dropped, and of which no gap has told
}

func (m *queueModel) events() (n, bytes int) {
	for _, e := range m.list {
		if e.gap == "" {
			n++
			bytes += e.size
		}
	}
	return n, bytes
}

func (m *queueModel) fits(size int) bool {
	n, bytes := m.events()
	return !m.closed && (n == 0 || n < m.limit.Size && bytes+size <= int(m.limit.Bytes))
}

// overtaken says whether a newer event with the key of list[i] waits.
func (m *queueModel) overtaken(i int) bool {
	return slices.ContainsFunc(m.list[i+1:], func(e entry) bool { return e.overtakes(m.list[i]) })
}

func (m *queueModel) oldest() int {
	return slices.IndexFunc(m.list, func(e entry) bool { return e.gap == "" })
}

// drop checks that the queue may drop the event name to make room for e.
func (m *queueModel) drop(t *rapid.T, name string, e entry) {
	i := slices.IndexFunc(m.list, func(w entry) bool { return w.name == name && w.gap == "" })
	if i < 0 {
		t.Fatalf("dropped %s, which does not wait in %v", name, m.list)
	}
	worthless := slices.IndexFunc(m.list, e.overtakes)
	for j := range m.list {
		if m.overtaken(j) {
			worthless = j
		}
	}
	conflates := m.limit.WhenFull == WhenFullLatestPerKey
	legal := m.overtaken(i) || e.overtakes(m.list[i])
	if m.fits(e.size) || conflates && worthless >= 0 && !legal || !(conflates && worthless >= 0) && i != m.oldest() {
		t.Fatalf("dropped %s for %s of %v", name, e.name, m.list)
	}
	m.list = slices.Delete(m.list, i, i+1)
	m.normalize()
}

// normalize keeps one gap per source among those that lead.
func (m *queueModel) normalize() {
	seen := map[string]bool{}
	for i := 0; i < len(m.list) && m.list[i].gap != ""; {
		if seen[m.list[i].gap] {
			m.list = slices.Delete(m.list, i, i+1)
			continue
		}
		seen[m.list[i].gap] = true
		i++
	}
}

// addGap adds a gap before the event at place at, one per place and source.
func (m *queueModel) addGap(at int, source string) {
	from := at
	for from > 0 && m.list[from-1].gap != "" {
		from--
	}
	for at < len(m.list) && m.list[at].gap != "" {
		at++
	}
	for _, e := range m.list[from:at] {
		if e.gap == source {
			return
		}
	}
	m.list = slices.Insert(m.list, at, entry{gap: source})
}

func (m *queueModel) put(t *rapid.T, q *Queue) {
	key := rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "key")
	e := entry{name: fmt.Sprint(m.in), key: key, size: rapid.IntRange(0, 20).Draw(t, "len")}
	m.in++
	ev := &event.Event{ID: e.name, Key: e.key, Data: make([]byte, e.size)}
	if spans := rapid.SampledFrom([]string{"", "", "", event.AttrKeyBefore, event.AttrBarrier}).Draw(t, "spans"); spans != "" {
		e.spans, ev.Attrs = true, []event.Attr{{Name: spans, Value: "a"}}
	}
	e.size = cost(ev)
	r := newReceipt(func(err error) {
		m.settled[e.name]++
		if errors.Is(err, ack.ErrDropped) {
			m.dropped = append(m.dropped, e.name)
		}
	})
	if m.limit.WhenFull == WhenFullBlock { // max_block is zero: events that nobody can replay push the oldest out
		r = nil
	}
	before := q.Counts().Dropped["max_block"]
	m.dropped = nil
	if err := q.Put(context.Background(), []*event.Event{ev}, r); err != nil {
		t.Fatal(err)
	}
	if n := q.Counts().Dropped["max_block"] - before; n > 0 {
		for range n {
			m.drop(t, m.list[m.oldest()].name, e)
		}
		m.untold += int(n)
		m.addGap(m.leading(), itself)
	}
	own := false
	for _, name := range m.dropped {
		if own = name == e.name; !own {
			m.drop(t, name, e)
		}
	}
	if r == nil && m.closed {
		own = true
	}
	if len(m.dropped) > 0 && !m.closed {
		m.noteDropped(len(m.dropped))
	}
	if own != !m.fits(e.size) {
		t.Fatalf("%s (%d bytes) was dropped: %v, but waiting are %v", e.name, e.size, own, m.list)
	}
	if !own {
		m.list = append(m.list, e)
	}
}

func (m *queueModel) take(t *rapid.T, q *Queue) {
	if len(m.list) == 0 {
		return
	}
	m.normalize()
	most := rapid.IntRange(1, 5).Draw(t, "most")
	items, gap, ok := q.Take(context.Background(), nil, most)
	if !ok {
		t.Fatalf("nothing to take of %v", m.list)
	}
	if gap != nil {
		if m.list[0].gap != sourceOf(*gap) {
			t.Fatalf("took gap %v of %v", *gap, m.list)
		}
		if m.untold -= int(gap.Dropped); m.untold < 0 || (gap.Dropped > 0) != (gap.Source == "") || gap.Dropped > 0 && m.limit.WhenFull == WhenFullDropOldest && !m.changed && m.untold > 0 {
			t.Fatalf("gap %+v, and %d dropped events that none has told of", gap, m.untold)
		}
		m.list = m.list[1:]
		return
	}
	for _, it := range items {
		if m.list[0].gap != "" || it.Event.ID != m.list[0].name {
			t.Fatalf("took %s of %v", it.Event.ID, m.list)
		}
		if m.byKey && m.list[0].spans && len(items) > 1 {
			t.Fatalf("%s is not alone in its write: %v", it.Event.ID, items)
		}
		m.taken, m.list = append(m.taken, m.list[0]), m.list[1:]
	}
	m.items = append(m.items, items...)
	stops := m.byKey && (items[0].Event.SpansKeys() || len(m.list) > 0 && m.list[0].spans)
	if len(items) < most && len(m.list) > 0 && m.list[0].gap == "" && !stops {
		t.Fatalf("took %d of %d although %v waits", len(items), most, m.list)
	}
}

// leading returns how many gaps stand before the first event.
func (m *queueModel) leading() (n int) {
	for n < len(m.list) && m.list[n].gap != "" {
		n++
	}
	return n
}

// noteDropped adds the gap of what was dropped: where that stood, or at the end, and then
// there are two at most.
func (m *queueModel) noteDropped(n int) {
	m.untold += n
	switch m.limit.WhenFull {
	case WhenFullDropOldest:
		m.addGap(m.leading(), itself)
		return
	case WhenFullDropNewest:
		m.addGap(len(m.list), itself)
		return
	}
	var own []int
	for i, e := range m.list {
		if e.gap == itself {
			own = append(own, i)
		}
	}
	if len(own) > 1 {
		last := own[len(own)-1]
		m.list = slices.Delete(m.list, last, last+1)
	}
	m.addGap(len(m.list), itself)
}

func sourceOf(g plugin.Gap) string {
	if g.Source == "" {
		return itself
	}
	return g.Source
}

// check compares the counts.
func (m *queueModel) check(t *rapid.T, q *Queue) {
	c := q.Counts()
	if err := (stats.Status{Sinks: []stats.SinkStatus{{QueueCounts: c}}}).Conserved(); err != nil {
		t.Fatal(err)
	}
	n, bytes := m.events()
	if c.Queued != uint64(n) || c.QueuedBytes != uint64(bytes) || c.Writing != uint64(len(m.taken)) || c.In != uint64(m.in) {
		t.Fatalf("counts %+v, but the model has %v, %d bytes, %d taken, %d in", c, m.list, bytes, len(m.taken), m.in)
	}
	for name, n := range m.settled {
		if n > 1 {
			t.Fatalf("%s was settled %d times", name, n)
		}
	}
}
