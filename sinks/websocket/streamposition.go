package websocket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"time"

	"eventgateway/gateway/event"
)

// Clients get an offset as text or a number, and send it back unchanged. It is the number of a message in the main log. With
// history.from_source it is the position of the message in the source, which is the same at each gateway.

// Bounds of the wait of a client that has messages which this gateway has not read yet. aheadTimeout is the longest wait.
// aheadPause is the first pause between two joins. The pause doubles, because a client may name any position, and each join
// costs processor time.
const (
	aheadTimeout = 2 * time.Second
	aheadPause   = 20 * time.Millisecond
)

// clientOffset is an offset as a client sends it.
type clientOffset string

// UnmarshalJSON is part of [json.Unmarshaler]. It takes text and numbers.
func (o *clientOffset) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		*o = clientOffset(text)
		return nil
	}
	var n json.Number
	if err := json.Unmarshal(b, &n); err != nil {
		return errors.New("offset is neither text nor a number: send it as you got it")
	}
	*o = clientOffset(n)
	return nil
}

// number returns the offset as a number in the main log. An offset of another kind becomes a number behind all
// messages, which the history does not have.
func (o clientOffset) number() uint64 {
	if o == "" {
		return 0
	}
	n, err := strconv.ParseUint(string(o), 10, 64)
	if err != nil {
		return 1<<63 - 1
	}
	return n
}

// nameOf returns the text that clients get for an offset. It returns "" if they get the number itself, and a text that no
// gateway knows if the history does not have the message any more. It needs the hub's lock.
func (h *hub) nameOf(offset uint64) string {
	t := &h.history
	switch {
	case !h.stream.used:
		return ""
	case offset >= t.first && offset < t.next:
		return t.at(offset).Position.String()
	case offset == 0 && t.first == 1:
		return h.stream.startName
	case offset+1 == t.first:
		return t.base.String()
	}
	return "expired"
}

// nameStart sets the name of the offset at which a client begins.
func (h *hub) nameStart(at *startPoint) {
	if !h.stream.used {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	at.name = h.nameOf(at.offset)
}

// offsetOf returns the offset that a client names, and reports whether the history knows it. It needs the hub's lock.
func (h *hub) offsetOf(from resumePoint) (offset uint64, ok bool) {
	if !h.stream.used {
		return from.offset, from.offset <= h.main.log.messages.Load()
	}
	if from.text == h.stream.startName {
		return 0, true
	}
	if p, ok := event.ParsePosition(from.text); ok {
		return h.history.find(p)
	}
	return 0, false
}

// join joins a topic, as joinNow does. It waits for a short time if the client has messages that this gateway has not read
// yet, because the client comes from a faster gateway.
func (h *hub) join(ctx context.Context, address string, s subscription, from resumePoint) (t *topic, at startPoint, err error) {
	ctx, cancel := context.WithTimeout(ctx, catchUpTimeout)
	defer cancel()
	if !h.awaitHistory(ctx) {
		return nil, startPoint{}, errNotReady
	}
	for until, pause := time.Now().Add(aheadTimeout), aheadPause; ; pause *= 2 {
		h.mu.Lock()
		writes := h.nextWrite()
		h.mu.Unlock()
		t, at, err = h.joinNow(ctx, address, s, from)
		if err != nil || !h.stream.used {
			return t, at, err
		}
		if !at.gap || !at.ahead && !h.isAhead(from) || !h.awaitWrite(ctx, writes, until, pause) {
			return t, at, nil
		}
		h.releaseTopic(t, address)
	}
}

// nextWrite returns a channel that is closed at the next write. It needs the hub's lock.
func (h *hub) nextWrite() <-chan struct{} {
	if h.stream.used && h.stream.writes == nil {
		h.stream.writes = make(chan struct{})
	}
	return h.stream.writes
}

// isAhead reports whether a client names a position behind the last message.
func (h *hub) isAhead(from resumePoint) bool {
	p, ok := event.ParsePosition(from.text)
	h.mu.Lock()
	defer h.mu.Unlock()
	return ok && h.isEpoch(from.epoch) && p.Compare(h.stream.last) > 0
}

// awaitWrite waits for the next write, and then for a pause. It reports false at the time until, if ctx ends, or if the sink is
// closed.
func (h *hub) awaitWrite(ctx context.Context, writes <-chan struct{}, until time.Time, pause time.Duration) bool {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-writes:
	case <-timer.C:
		return false
	case <-h.closed:
		return false
	case <-ctx.Done():
		return false
	}
	timer.Reset(min(pause, time.Until(until)))
	select {
	case <-timer.C:
		return true
	case <-h.closed:
		return false
	case <-ctx.Done():
		return false
	}
}

// find returns the offset of the message with a position, and reports whether the message is in the history, or is the last one
// before it.
func (h *history) find(p event.Position) (offset uint64, ok bool) {
	if h.first > 1 && p == h.base {
		return h.first - 1, true
	}
	i := sort.Search(len(h.blocks), func(i int) bool {
		b := h.blocks[i]
		return len(b.events) == 0 || b.events[0].Position.Compare(p) > 0
	}) - 1
	if i < 0 {
		return 0, false
	}
	b := h.blocks[i]
	n := sort.Search(len(b.events), func(i int) bool { return b.events[i].Position.Compare(p) > 0 })
	offset = b.first + uint64(n) - 1
	return offset, offset >= h.first && b.events[n-1].Position == p
}

// has reports whether the history has a message with a position.
func (h *history) has(p event.Position) bool {
	_, ok := h.find(p)
	return ok
}

// isBefore reports whether a position is before the first message of the history.
func (h *history) isBefore(p event.Position) bool {
	if h.first > 1 && p.Compare(h.base) <= 0 {
		return true
	}
	return h.first < h.next && p.Compare(h.at(h.first).Position) < 0
}

// appendOffset appends the member offset of a control message.
func appendOffset(text []byte, offset uint64, name string) []byte {
	if name != "" {
		return fmt.Appendf(text, `"offset":%q`, name)
	}
	return fmt.Appendf(text, `"offset":%d`, offset)
}

// positionFrame returns the frame of a position message.
func (h *hub) positionFrame(offset uint64) []byte {
	name := ""
	if h.stream.used {
		h.mu.Lock()
		name = h.nameOf(offset)
		h.mu.Unlock()
	}
	return controlFrame(positionMessage(offset, name))
}

// positionsDue reports whether a sweep is due although fewer than a quarter of the messages are new. With history.from_source the
// offsets that clients have must not become older than the history of another gateway, so they get new ones by time as well.
func (f *feeder) positionsDue() bool {
	s, h := &f.sweep, f.hub
	if !h.stream.used || f.matched.Load() == s.at {
		return false
	}
	interval := h.opts.History.Age.D() / 4
	left := time.Until(s.begun.Add(interval))
	if left > 0 && !f.positionsNow.Swap(false) {
		if s.timer == nil {
			s.timer = time.AfterFunc(left, f.wake)
		} else {
			s.timer.Reset(left)
		}
		return false
	}
	return true
}

// sendPositions makes the feeders send position messages soon. Behind a gap, another gateway may count other messages from an
// older offset on, so the value of seen would be wrong there.
func (h *hub) sendPositions() {
	if !h.stream.used {
		return
	}
	for _, f := range h.feeders {
		f.positionsNow.Store(true)
		f.wake()
	}
}
