package websocket

import (
	"crypto/rand"
	"fmt"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
)

// hub is the topics, and the history that they are made of. Positions count messages of
// the main topic; the epoch tells them apart from those of another gateway, or another start.
type hub struct {
	opts   Options
	epoch  string
	now    func() time.Time
	failed prometheus.Counter // filters that could not be evaluated

	mu      sync.Mutex
	main    *topic
	none    *topic // of those who are not known yet: it never has anything
	topics  map[string]*topic
	history history
	gapAt   uint64 // how many messages there were when events were last reported missing
	gapped  bool
	eval    expr.Evaluator
	keyed   map[string][]*topic // by the key of their rights; see authorize.go
	free    []*topic            // those whose rights have no key
	text    []byte              // scratch
}

func newHub(o Options, failed prometheus.Counter, now func() time.Time) *hub {
	return &hub{
		opts: o, epoch: rand.Text()[:12], now: now, failed: failed, main: &topic{log: newLog()}, none: &topic{log: newLog()},
		topics: map[string]*topic{}, keyed: map[string][]*topic{}, history: newHistory(!o.Position.IsZero()),
	}
}

// write appends events to the topics that they belong to. It returns whether a chunk of
// the main log was completed.
func (h *hub) write(events []*event.Event) (rolled bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	for _, e := range events {
		opcode := byte(opText)
		if !utf8.Valid(e.Data) {
			opcode = opBinary
		}
		stored, full := h.main.log.append(opcode, e.Data, now)
		rolled = rolled || full
		h.history.add(e, stored, h.place(e), now)
		number := h.main.log.messages.Load()
		for _, t := range h.of(e) {
			if !t.allowed.condition.IsZero() && !h.may(t, e) {
				continue
			}
			if verdict := h.judge(t, e); verdict != absent {
				t.add(number, verdict, e.Data, now)
			}
		}
	}
	if rolled {
		h.evict(now)
	}
	h.main.log.publish()
	number := h.main.log.messages.Load()
	for _, t := range h.topics {
		if number-t.marked >= uint64(h.opts.History.Events/4+1) {
			t.mark(number, now)
		}
		if !t.published {
			t.log.publish()
			t.published = true
		}
	}
	return rolled
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

// evict shortens all histories to what is asked for.
func (h *hub) evict(now time.Time) {
	h.history.forget(h.main.log.evict(h.opts.History, now))
	for _, t := range h.topics {
		t.evict(h.opts.History, now)
	}
}

// gap notes that events may be missing from here on.
func (h *hub) gap() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gapAt, h.gapped = h.main.log.messages.Load(), true
}

// errTooMany says that there is no room for another topic.
var errTooMany = fmt.Errorf("too many different subscriptions: subscribe to what others have, or try again later")

// join returns the topic of a subscription, and where in it a client begins: behind what
// it has, or, where that is not known any more, with what comes next.
func (h *hub) join(s subscription, a after) (t *topic, at start, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.evict(h.now())
	if t, err = h.topic(s); err != nil {
		return nil, start{}, err
	}
	t.clients++
	at.position, at.offset = t.log.start(), h.main.log.messages.Load()
	if !a.asked {
		return t, at, nil
	}
	if p, offset, seen, ok := h.find(t, a); ok {
		return t, start{position: p, offset: offset, seen: seen, recovered: true}, nil
	}
	at.lost = true
	return t, at, nil
}

// start is where a client begins in its topic.
type start struct {
	position     position
	offset, seen uint64 // as the client knows it
	recovered    bool   // it gets all that it has missed
	lost         bool   // it does not
}

// find looks for the position behind what a client has.
func (h *hub) find(t *topic, a after) (p position, offset, seen uint64, ok bool) {
	offset, seen = a.offset, a.seen
	switch {
	case a.place != "":
		if offset, ok = h.history.places[a.place]; !ok {
			return p, 0, 0, false
		}
		seen = 0
	case a.epoch != h.epoch || offset > h.main.log.messages.Load():
		return p, 0, 0, false
	}
	if t == h.main {
		offset, seen = offset+seen, 0
		if offset < h.history.first-1 || offset > h.main.log.messages.Load() || h.gapped && offset <= h.gapAt {
			return p, 0, 0, false
		}
		return h.main.log.seek(offset), offset, 0, true
	}
	p, number, ok := t.find(offset, seen)
	if !ok || h.gapped && number <= h.gapAt {
		return p, 0, 0, false
	}
	return p, offset, seen, true
}

// translate returns what a client of a topic has, for any other topic: seen counts the
// messages of its own.
func (h *hub) translate(t *topic, a after) after {
	if !a.asked || a.place != "" {
		return a
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if t == h.main {
		a.offset, a.seen = a.offset+a.seen, 0
		return a
	}
	_, number, ok := t.find(a.offset, a.seen)
	if !ok {
		a.epoch = "" // it is not known
	}
	a.offset, a.seen = number, 0
	return a
}

// topic returns the topic of a subscription, made of the history where there is none.
func (h *hub) topic(s subscription) (*topic, error) {
	if s.all() {
		return h.main, nil
	}
	key := s.id()
	if t := h.topics[key]; t != nil {
		return t, nil
	}
	if len(h.topics) >= h.opts.MaxTopics {
		return nil, errTooMany
	}
	t := &topic{subscription: s, key: key, log: newLog(), covered: h.history.first - 1, published: true}
	h.history.behind(t.covered, func(number uint64, e *past) {
		if !h.may(t, &e.Event) {
			return
		}
		if verdict := h.judge(t, &e.Event); verdict != absent {
			t.add(number, verdict, e.Data, e.at)
		}
	})
	t.log.publish()
	t.published = true
	t.marked = h.main.log.messages.Load()
	h.topics[key] = t
	h.enter(t)
	return t, nil
}

// leave notes that a client has left a topic; one that nobody has goes.
func (h *hub) leave(t *topic) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t.clients--; t.clients <= 0 && t != h.main && t != h.none {
		delete(h.topics, t.key)
		h.exit(t)
	}
}
