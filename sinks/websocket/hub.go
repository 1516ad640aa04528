package websocket

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"time"
	"unicode/utf8"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/logsample"
)

// hub holds the main log, and the history from which the feeders fill the other topics. Offsets count messages of
// the main topic; the epoch distinguishes them from those of another gateway or an earlier run.
//
// doc.go has the order of the locks. No filter and no condition of rights is
// evaluated under them: the feeders (feeder.go) do that.
type hub struct {
	opts        Options
	epoch       string
	now         func() time.Time
	metrics     *metrics
	clients     func() []*client // the connected clients
	log         *slog.Logger
	panics      *logsample.Sampler          // of log lines
	spawn       func(func(context.Context)) // of plugin.Env
	main        *topic
	rightsByRow bool // authorize reads the row, so that a change may hide a row from a client
	feeders     [feeders]*feeder
	feeding     sync.WaitGroup // running feeders
	memory      byteGauge      // bytes that filtered topics hold
	closed      chan struct{}  // no client joins a topic any more
	closing     sync.Once
	channels    channelNames  // only write
	prepared    []storedEvent // scratch; only write
	stream      *streamHistory

	mu        sync.Mutex
	history   history
	gapOffset uint64 // of the last gap
	hasGap    bool
	gapMark   string         // renewed with each gap
	eval      expr.Evaluator // for the option position
	scratch   []byte
}

// Numbers of the feeders.
const (
	rightsFeeder = iota // of topics without channels and filter
	filterFeeder
	feeders
)

// newHub returns a hub without events. spawn starts the feeders; nil if there are no clients.
func newHub(o Options, m *metrics, now func() time.Time, spawn func(func(context.Context))) *hub {
	h := &hub{
		opts: o, epoch: rand.Text()[:12], now: now, metrics: m, spawn: spawn, main: &topic{log: newLog()},
		history: newHistory(!o.Position.IsZero()), memory: byteGauge{gauge: m.filterBytes}, closed: make(chan struct{}), panics: newSampler(), channels: channelNames{templates: o.Channels},
		stream: newStreamHistory(o),
	}
	h.gapMark = newGapMark()
	for i := range h.feeders {
		h.feeders[i] = newFeeder(h, i)
	}
	if o.Compression.Enabled {
		h.main.log.enableCompression()
	}
	h.rightsByRow = o.Authorize.ReadsField("new") || o.Authorize.ReadsChannel() && len(o.Channels) > 0
	return h
}

// write appends events to the main log; the feeders bring them to the other topics. It reports whether a chunk of the
// main log was completed.
func (h *hub) write(events []*event.Event) (rolled bool) {
	prepared := h.prepared[:0]
	for _, e := range events {
		prepared = append(prepared, h.channels.prepare(e))
	}
	h.prepared = prepared
	defer clear(prepared)
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	if h.stream.filling && len(events) > 0 {
		now = events[len(events)-1].Time
	}
	for i := range prepared {
		if h.stream.used && !h.checkPosition(&prepared[i]) {
			continue
		}
		rolled = h.append(&prepared[i], now) || rolled
	}
	if rolled {
		h.trim(now)
	}
	h.main.log.publish()
	h.stream.wakeWaiting()
	for _, f := range h.feeders {
		if f.count.Load() > 0 {
			f.wake()
		}
	}
	return rolled
}

// append appends an event. It reports whether a chunk of the main log was completed.
func (h *hub) append(p *storedEvent, now time.Time) (rolled bool) {
	opcode := byte(opText)
	if !utf8.Valid(p.Data) { // browsers fail a connection with invalid UTF-8 in a text frame (RFC 6455, section 8.1)
		opcode = opBinary
	}
	log := h.main.log
	p.namedPosition, p.bytesBefore = h.namedPosition(&p.Event), log.bytes.Load()
	p.from, p.to, rolled = log.append(opcode, p.Data, now)
	p.chunk = log.tail
	p.Data = log.tail.buf[p.to-len(p.Data) : p.to : p.to]
	h.history.add(*p)
	return rolled
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

// trim removes messages beyond the bounds of the history from the main log. Feeders trim the other topics.
func (h *hub) trim(now time.Time) { h.history.trim(h.main.log.trim(h.opts.History, now)) }

// historyBegin returns the number of bytes of the main log before the history.
func (h *hub) historyBegin() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.history.blocks[0].bytesBefore
}

// noteGap remembers that events may be missing at this offset.
func (h *hub) noteGap() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gapOffset, h.hasGap, h.gapMark = h.main.log.messages.Load(), true, newGapMark()
}
