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
	log     *limitedLog
	spawn   func(func(context.Context)) // of plugin.Env

	mu              sync.Mutex
	main            *topic
	unauthenticated *topic // of those who are not known yet: it never has anything
	topics          map[string]*topic
	history         history
	gapOffset       uint64 // how many messages there were when events were last reported missing
	hasGap          bool
	eval            expr.Evaluator      // of what the configuration says about every event
	rightsByKey     bool                // rights are an equality, and looked up; see authorize.go
	rightsByRow     bool                // rights depend on a row, which a change may take from a client's view
	byRightsKey     map[string][]*topic // topics of rights and no wishes, by their key
	scratch         []byte              // scratch

	rightsGroup     *feedGroup     // the other topics, but for the main one: of rights only
	filterGroup     *feedGroup     // and those that clients have asked for
	closed          bool           // no topics are made any more
	feeders         sync.WaitGroup // of both lanes
	filteredTopics  int            // topics of channels and filters, which clients have asked for
	memoryShare     atomic.Int64   // bytes that each of those may keep
	memory          byteGauge      // bytes that they keep
	topicsByAddress map[string]int // how many of them an address has clients in
	timeBudgets     map[string]*timeBudget
}

func newHub(o Options, m *metrics, now func() time.Time, spawn func(func(context.Context))) *hub {
	h := &hub{
		opts: o, epoch: rand.Text()[:12], now: now, metrics: m, spawn: spawn, main: &topic{log: newLog()}, unauthenticated: &topic{log: newLog()},
		topics: map[string]*topic{}, byRightsKey: map[string][]*topic{}, history: newHistory(!o.Position.IsZero()),
		rightsGroup: newFeedGroup(false), filterGroup: newFeedGroup(true), memory: byteGauge{gauge: m.filterBytes}, topicsByAddress: map[string]int{}, timeBudgets: map[string]*timeBudget{},
	}
	_, h.rightsByKey = o.Authorize.ClaimKey(nil)
	h.rightsByRow = o.Authorize.ReadsField("new")
	h.shareMemory()
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
		h.trim(now)
	}
	h.main.log.publish()
	offset := h.main.log.messages.Load()
	for _, topics := range h.byRightsKey {
		for _, t := range topics {
			t.advance(offset, now, h.opts.History)
		}
	}
	for _, l := range h.groups() {
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
	p := storedEvent{Event: *e, loggedAt: now, opcode: opcode, namedPosition: h.namedPosition(e), largeFrame: log.largeFrame()}
	p.Data = stored
	h.setRightsKeys(&p)
	h.history.add(p, before)
	if len(h.byRightsKey) == 0 {
		return rolled
	}
	offset := log.messages.Load()
	if p.rightsKey != "" {
		for _, t := range h.byRightsKey[p.rightsKey] {
			t.append(offset, match{kind: matchEvent}, &p)
		}
	}
	if p.oldRightsKey != "" && p.oldRightsKey != p.rightsKey {
		for _, t := range h.byRightsKey[p.oldRightsKey] {
			if v := leaveOf(t, &p); v.kind != matchNone {
				t.append(offset, v, &p)
			}
		}
	}
	return rolled
}

// setRightsKeys sets whose an event is, where rights are looked up.
func (h *hub) setRightsKeys(p *storedEvent) {
	if !h.rightsByKey {
		return
	}
	h.scratch = h.eval.EventKey(h.scratch[:0], h.opts.Authorize, &p.Event)
	p.rightsKey = string(h.scratch)
	if !h.rightsByRow {
		return
	}
	if before := withOldRow(&p.Event); before != nil {
		h.scratch = h.eval.EventKey(h.scratch[:0], h.opts.Authorize, before)
		p.oldRightsKey = string(h.scratch)
	}
}

// namedPosition returns the event's own position, "" where it has none.
func (h *hub) namedPosition(e *event.Event) string {
	if h.opts.Position.IsZero() {
		return ""
	}
	var err error
	if h.scratch, _, err = h.eval.Text(h.scratch[:0], h.opts.Position, e); err != nil {
		return ""
	}
	return string(h.scratch)
}

// trim shortens the histories of the main log, and of topics that write feeds, to what is
// asked for.
func (h *hub) trim(now time.Time) {
	h.history.trim(h.main.log.trim(h.opts.History, now))
	for _, topics := range h.byRightsKey {
		for _, t := range topics {
			t.trim(h.opts.History, 0, now)
		}
	}
}

// noteGap notes that events may be missing from here on.
func (h *hub) noteGap() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gapOffset, h.hasGap = h.main.log.messages.Load(), true
}
