package websocket

import (
	"context"
	"errors"
	"time"
)

// catchUpTimeout is how long a client waits at most until its topic has the messages that it needs.
const catchUpTimeout = 30 * time.Second

// errNotReady refuses a client whose topic did not have its messages in time.
var errNotReady = errors.New("the history for this subscription was not evaluated in time: try again later")

// joinNow returns the topic of a subscription, and the point at which a client begins: behind the
// messages that it has, or at the end if the history does not reach back to them. The topic has every message that was
// written before the call.
func (h *hub) joinNow(ctx context.Context, address string, s subscription, from resumePoint) (*topic, startPoint, error) {
	j := h.beginJoin(address, s, from)
	if err := h.awaitJoin(ctx, j); err != nil { // the feeder may still use j
		return nil, startPoint{}, err
	}
	return j.topic, j.at, nil
}

// joinsMain reports whether clients with a subscription read the log of the main topic. With history.from_source those that
// speak the protocol need position messages, which the main log does not have.
func (h *hub) joinsMain(s subscription) bool { return s.isAll() && !(h.stream.used && s.protocol) }

// beginJoin begins to join a topic. Each must be awaited or abandoned.
func (h *hub) beginJoin(address string, s subscription, from resumePoint) *joining {
	j := &joining{subscription: s, address: address, from: from, done: make(chan struct{})}
	if h.joinsMain(s) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.trim(h.now())
		j.topic, j.at = h.main, h.startMain(from)
		close(j.done)
		return j
	}
	select {
	case <-h.closed:
		j.err = errNotReady
		close(j.done)
	default:
		f := h.feederOf(s)
		f.do(func() { f.join(j) })
	}
	return j
}

// awaitJoin waits until the topic has the messages that the client needs. On an error the client has not joined.
func (h *hub) awaitJoin(ctx context.Context, j *joining) error {
	ctx, cancel := context.WithTimeout(ctx, catchUpTimeout)
	defer cancel()
	select {
	case <-j.done:
		if j.err == nil {
			h.nameStart(&j.at)
		}
		return j.err
	case <-ctx.Done():
	case <-h.closed:
	}
	h.abandonJoin(j)
	return errNotReady
}

// abandonJoin ends a join, also one that was awaited without an error.
func (h *hub) abandonJoin(j *joining) {
	if !h.joinsMain(j.subscription) {
		f := h.feederOf(j.subscription)
		f.do(func() { f.cancel(j) })
	}
}

// feederOf returns the feeder of a subscription.
func (h *hub) feederOf(s subscription) *feeder {
	if s.filtered() {
		return h.feeders[filterFeeder]
	}
	return h.feeders[rightsFeeder]
}
