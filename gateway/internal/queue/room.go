package queue

import (
	"context"
	"fmt"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

type withoutWaiting struct{}

// WithoutWaiting returns a context with which Put does not wait for room: where it would, it returns [plugin.ErrNoRoom], and the rest is
// settled with it.
func WithoutWaiting(ctx context.Context) context.Context {
	return context.WithValue(ctx, withoutWaiting{}, true)
}

// Waits reports whether Put waits for room with ctx.
func Waits(ctx context.Context) bool { return ctx.Value(withoutWaiting{}) == nil }

// Load is what events need in a queue.
type Load struct{ Events, bytes int }

// Add adds events.
func (l *Load) Add(events []*event.Event) {
	l.Events += len(events)
	for _, ev := range events {
		l.bytes += cost(ev)
	}
}

// CheckRoom returns [plugin.ErrNoRoom] where Put of a load would wait now. redelivered says whether the events can be sent again: others do not wait any more
// when max_block is over. The error is marked by [plugin.Permanent] where the queue is too small for the load, even if it is empty.
func (q *Queue) CheckRoom(l Load, redelivered bool) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := q.inRing + q.delayed
	switch {
	case q.closed, q.cfg.WhenFull != WhenFullBlock, n+l.Events <= q.cfg.Size && q.bytes+l.bytes <= int(q.cfg.Bytes), n == 0 && l.Events == 1:
		return nil
	case l.Events > q.cfg.Size, l.Events > 1 && l.bytes > int(q.cfg.Bytes):
		return plugin.Permanent(fmt.Errorf("%d events at once are too many for the queue of the sink %s: send fewer, or raise its queue.size or queue.bytes", l.Events, q.cfg.Name))
	}
	if full := n >= q.cfg.Size || q.bytes >= int(q.cfg.Bytes); full && q.fullSince.IsZero() {
		q.fullSince = time.Now()
	}
	if !redelivered && !q.fullSince.IsZero() && time.Since(q.fullSince) >= q.cfg.MaxBlock.D() {
		return nil // Put drops
	}
	return plugin.ErrNoRoom
}
