package websocket

import (
	"context"
	"crypto/rand"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
)

// hub is the topics, and the history that they are made of. Positions count messages of
// the main topic; the epoch tells them apart from those of another gateway, or another start.
//
// Locks are taken in this order: hub.mu, client.mu, topic.mu, log.mu. No filter and no
// condition is evaluated under any of them: the feeders (feed.go) do that.
type hub struct {
	opts    Options
	epoch   string
	now     func() time.Time
	metrics *metrics
	clients func() []*client // of this moment
	log     *sparingLog
	spawn   func(func(context.Context)) // of plugin.Env

	mu      sync.Mutex
	main    *topic
	none    *topic // of those who are not known yet: it never has anything
	topics  map[string]*topic
	history history
	gapAt   uint64 // how many messages there were when events were last reported missing
	gapped  bool
	eval    expr.Evaluator      // of what the configuration says about every event
	looksUp bool                // rights are an equality, and looked up; see authorize.go
	rows    bool                // rights depend on a row, which a change may take from a client's view
	keyed   map[string][]*topic // topics of rights and no wishes, by their key
	text    []byte              // scratch

	views   *lane          // the other topics, but for the main one: of rights only
	filters *lane          // and those that clients have asked for
	over    bool           // no topics are made any more
	feeders sync.WaitGroup // of both lanes
	asked   int            // topics of channels and filters, which clients have asked for
	share   atomic.Int64   // bytes that each of those may keep
	kept    keptBytes      // bytes that they keep
	held    map[string]int // how many of them an address has clients in
	purses  map[string]*purse
}

func newHub(o Options, m *metrics, now func() time.Time, spawn func(func(context.Context))) *hub {
	h := &hub{
		opts: o, epoch: rand.Text()[:12], now: now, metrics: m, spawn: spawn, main: &topic{log: newLog()}, none: &topic{log: newLog()},
		topics: map[string]*topic{}, keyed: map[string][]*topic{}, history: newHistory(!o.Position.IsZero()),
		views: newLane(false), filters: newLane(true), kept: keptBytes{shown: m.filterBytes}, held: map[string]int{}, purses: map[string]*purse{},
	}
	_, h.looksUp = o.Authorize.ClaimKey(nil)
	h.rows = o.Authorize.ReadsField("new")
	h.divide()
	return h
}

// write appends events to the main log and to the topics whose rights are looked up; the
// feeders bring them to the others. It returns whether a chunk of the main log was completed.
func (h *hub) write(events []*event.Event) (rolled bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	for _, e := range events {
		rolled = h.append(e, now) || rolled
	}
	if rolled {
		h.evict(now)
	}
	h.main.log.publish()
	number := h.main.log.messages.Load()
	for _, topics := range h.keyed {
		for _, t := range topics {
			t.reach(number, now, h.opts.History)
		}
	}
	for _, l := range h.lanes() {
		if len(l.topics) > 0 {
			l.wake()
		}
	}
	return rolled
}

// append appends an event. It returns whether a chunk of the main log was completed.
func (h *hub) append(e *event.Event, now time.Time) (rolled bool) {
	opcode := byte(opText)
	if !utf8.Valid(e.Data) {
		opcode = opBinary
	}
	log := h.main.log
	before := log.bytes.Load()
	stored, rolled := log.append(opcode, e.Data, now)
	p := past{Event: *e, at: now, opcode: opcode, place: h.place(e), whole: log.whole()}
	p.Data = stored
	h.setKeys(&p)
	h.history.add(p, before)
	if len(h.keyed) == 0 {
		return rolled
	}
	number := log.messages.Load()
	if p.key != "" {
		for _, t := range h.keyed[p.key] {
			t.add(number, verdict{is: present}, &p)
		}
	}
	if p.was != "" && p.was != p.key {
		for _, t := range h.keyed[p.was] {
			if v := lostRow(t, &p); v.is != absent {
				t.add(number, v, &p)
			}
		}
	}
	return rolled
}

// setKeys sets whose an event is, where rights are looked up.
func (h *hub) setKeys(p *past) {
	if !h.looksUp {
		return
	}
	h.text = h.eval.EventKey(h.text[:0], h.opts.Authorize, &p.Event)
	p.key = string(h.text)
	if !h.rows {
		return
	}
	if before := beforeChange(&p.Event); before != nil {
		h.text = h.eval.EventKey(h.text[:0], h.opts.Authorize, before)
		p.was = string(h.text)
	}
}

// place returns the event's own position, "" where it has none.
func (h *hub) place(e *event.Event) string {
	if h.opts.Position.IsZero() {
		return ""
	}
	var err error
	if h.text, _, err = h.eval.Text(h.text[:0], h.opts.Position, e); err != nil {
		return ""
	}
	return string(h.text)
}

// evict shortens the histories of the main log, and of topics that write feeds, to what is
// asked for.
func (h *hub) evict(now time.Time) {
	h.history.forget(h.main.log.evict(h.opts.History, now))
	for _, topics := range h.keyed {
		for _, t := range topics {
			t.evict(h.opts.History, 0, now)
		}
	}
}

// gap notes that events may be missing from here on.
func (h *hub) gap() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gapAt, h.gapped = h.main.log.messages.Load(), true
}
