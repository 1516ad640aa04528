package websocket

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
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
	asked   int // topics of channels and filters, which clients have asked for
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
	return t, h.start(t, a), nil
}

// move has a client go on with another subscription: where it asks for it behind what it
// was sent of the one before, else with what comes next.
func (h *hub) move(c *client, s subscription, a after) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.evict(h.now())
	t, err := h.topic(s)
	if err != nil {
		return err
	}
	t.clients++
	c.mu.Lock()
	old := c.topic
	var at start
	if old == h.none || a.place != "" || !a.asked {
		at = h.start(t, a)
	} else { // it has heard of all gaps
		var ok bool
		if at, _, ok = h.find(t, after{epoch: h.epochOf(t), offset: h.sent(old, c.position)}); ok {
			at.recovered = true
		} else {
			at = h.end(t)
			at.lost = true
		}
	}
	c.topic, c.position, c.counted = t, at.position, at.position.counts()
	if old == h.none { // now it is known
		c.greet()
	}
	if c.protocol {
		c.answers = append(c.answers, controlFrame(subscribedMessage(at))...)
	}
	c.mu.Unlock()
	c.wake()
	h.drop(old)
	return nil
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
	if s.asked() && h.asked >= h.opts.MaxTopics {
		return nil, errTooMany
	}
	sum := sha256.Sum256([]byte(key))
	t := &topic{subscription: s, key: key, hash: hex.EncodeToString(sum[:6]), log: newLog(), covered: h.history.first - 1}
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
	if s.asked() {
		h.asked++
	}
	h.enter(t)
	return t, nil
}

// leave notes that a client has left its topic; one that nobody has goes.
func (h *hub) leave(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(c.topic)
}

func (h *hub) drop(t *topic) {
	if t.clients--; t.clients > 0 || t == h.main || t == h.none {
		return
	}
	delete(h.topics, t.key)
	if t.asked() {
		h.asked--
	}
	h.exit(t)
}
