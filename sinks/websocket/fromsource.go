package websocket

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// With history.from_source the sink takes its history from its source at the start. Its offsets then are positions of the
// source (streamposition.go), and its epoch is derived from the source, so clients resume after a restart, and at another gateway. Clients join
// when the history is there.

// HistoryRange is part of [plugin.HistoryKeeper].
func (o Options) HistoryRange() time.Duration { return o.History.FromSource.D() }

// checkFromSource reports options that contradict history.from_source.
func (o *Options) checkFromSource(report func(option, text string)) {
	if o.History.FromSource == 0 {
		return
	}
	if o.History.FromSource > o.History.Age {
		report("history.from_source", "reaches further back than history.age, which bounds the history: use at most that")
	}
	if o.History.Events == 0 {
		report("history.events", "must not be 0 with history.from_source: set a bound")
	}
	if !o.Position.IsZero() {
		report("position", "is not needed with history.from_source, whose offsets hold at every gateway: leave it out")
	}
}

// FillHistory is part of [plugin.HistorySink]. Clients may join when it returns nil.
func (s *sink) FillHistory(ctx context.Context, id string, read func(take func([]*event.Event) error) error) error {
	h := s.hub
	h.stream.filling = true
	defer func() { h.stream.filling = false }()
	h.setHistory(id)
	begin := time.Now()
	err := read(func(events []*event.Event) error {
		h.write(events)
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	h.mu.Lock()
	h.trim(h.now())
	events := h.history.next - h.history.first
	h.mu.Unlock()
	s.env.Log.Info("history filled", "events", events, "duration", time.Since(begin).String())
	h.stream.admit()
	return nil
}

// streamHistory is the state of a hub whose history comes from its source.
type streamHistory struct {
	used      bool
	filling   bool   // only the goroutine that writes
	disorder  bool   // an event came after later ones since the last gap message; only the goroutine that writes
	startName string // of the offset 0, which only this gateway knows
	admitting sync.Once
	filled    chan struct{} // closed when clients may join

	last   event.Position // of the last event; under hub.mu
	writes chan struct{}  // closed at the next write; nil: no client waits; under hub.mu
}

func newStreamHistory(o Options) *streamHistory {
	s := &streamHistory{used: o.History.FromSource > 0, startName: rand.Text()[:12], filled: make(chan struct{})}
	if !s.used {
		s.admit()
	}
	return s
}

// admit lets clients join.
func (s *streamHistory) admit() { s.admitting.Do(func() { close(s.filled) }) }

// setHistory sets the epoch. It is the same at each gateway with this history, and with the same values of the options on which
// the messages of a subscription depend.
func (h *hub) setHistory(id string) {
	text := fmt.Sprintf("%q %q", id, h.opts.Authorize.String())
	for _, c := range h.opts.Channels {
		text += fmt.Sprintf(" %q", c.String())
	}
	sum := sha256.Sum256([]byte(text))
	h.mu.Lock()
	h.epoch = hex.EncodeToString(sum[:8])
	h.mu.Unlock()
}

// awaitHistory waits until clients may join. It reports false if ctx ends, or the sink is closed, before.
func (h *hub) awaitHistory(ctx context.Context) bool {
	select {
	case <-h.stream.filled:
		return true
	default:
	}
	select {
	case <-h.stream.filled:
		return true
	case <-ctx.Done():
	case <-h.closed:
	}
	return false
}

// checkPosition reports whether an event is to be appended. An event that the history has, or that is older, was redelivered,
// and is not appended. An event that is missing in the history came after later ones, and gets the last position. Gateways may
// have such an event in different places, so clients that resume from before have a gap. It needs the hub's lock.
func (h *hub) checkPosition(p *storedEvent) bool {
	s := h.stream
	if p.Position.Compare(s.last) > 0 {
		s.last = p.Position
		return true
	}
	if !p.Position.IsZero() && (h.history.isBefore(p.Position) || h.history.has(p.Position)) {
		h.metrics.repeated.Inc()
		return false
	}
	p.Position, s.disorder = s.last, true
	h.gapOffset, h.hasGap, h.gapMark = h.main.log.messages.Load()+1, true, newGapMark()
	return true
}

// disorderGap is the gap of events that came after later ones.
var disorderGap = plugin.Gap{Reason: "events came after later ones: another gateway may have them in another order"}

// wakeWaiting wakes the clients that wait for messages behind the last one. It needs the hub's lock.
func (s *streamHistory) wakeWaiting() {
	if s.writes != nil {
		close(s.writes)
		s.writes = nil
	}
}
