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

// hub holds the topics, and the history from which they are filled. Offsets count messages of
// the main topic; the epoch distinguishes them from those of another gateway or an earlier run.
//
// Locks are taken in this order: hub.mu, client.mu, topic.mu, log.mu. No filter and no
// condition is evaluated under them: the feeders (feeder.go) do that.
type hub struct {
	opts    Options
	epoch   string
	now     func() time.Time
	metrics *metrics
	clients func() []*client // the connected clients
	log     *limitedLog
	spawn   func(func(context.Context)) // of plugin.Env

	mu              sync.Mutex
	main            *topic
	unauthenticated *topic // of clients that have not sent their token; always empty
	topics          map[string]*topic
	history         history
	gapOffset       uint64 // of the last gap
	hasGap          bool
	eval            expr.Evaluator      // for the options authorize and position
	rightsByKey     bool                // authorize is an equality with a claim: rights are looked up, see rights.go
	rightsByRow     bool                // authorize reads the row, so that a change may hide a row from a client
	byRightsKey     map[string][]*topic // unfiltered topics by the key of their rights
	scratch         []byte

	rightsGroup     *feedGroup             // unfiltered topics whose rights must be evaluated
	filterGroup     *feedGroup             // filtered topics
	closed          bool                   // no topics are created any more
	feeders         sync.WaitGroup         // of both groups
	filteredTopics  int                    // number of topics with channels or a filter
	memoryShare     atomic.Int64           // bytes that each filtered topic may hold
	memory          byteGauge              // bytes that filtered topics hold
	topicsByAddress map[string]int         // number of filtered topics in which an address has clients
	timeBudgets     map[string]*timeBudget // by address
}

// newHub returns a hub without events. spawn starts the feeders; nil if there are no clients.
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
// feeders bring them to the others. It reports whether a chunk of the main log was completed.
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
	for _, g := range h.groups() {
		if len(g.topics) > 0 {
			g.wake()
		}
	}
	return rolled
}

// append appends an event. It reports whether a chunk of the main log was completed.
func (h *hub) append(e *event.Event, now time.Time) (rolled bool) {
	opcode := byte(opText)
	if !utf8.Valid(e.Data) { // browsers fail a connection with invalid UTF-8 in a text frame (RFC 6455, section 8.1)
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

// setRightsKeys sets the keys by which rights are looked up.
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

// namedPosition returns the value of the option position for an event, "" if it has none.
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

// trim removes messages beyond the bounds of the history from the main log and from the topics
// whose rights are looked up. Feeders trim the others.
func (h *hub) trim(now time.Time) {
	h.history.trim(h.main.log.trim(h.opts.History, now))
	for _, topics := range h.byRightsKey {
		for _, t := range topics {
			t.trim(h.opts.History, 0, now)
		}
	}
}

// noteGap remembers that events may be missing at this offset.
func (h *hub) noteGap() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gapOffset, h.hasGap = h.main.log.messages.Load(), true
}
