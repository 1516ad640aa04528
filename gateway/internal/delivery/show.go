package delivery

import (
	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/queue"
	"eventgateway/gateway/internal/tap"
)

// showEnqueued shows events that came into the queue to the viewers of the sink.
func (s *Sink) showEnqueued(events []*event.Event) {
	for _, e := range events {
		s.Tap.Show(s.Hide.Load, e, tap.Enqueued, "", 0)
	}
}

// showDelivered shows events that one write has delivered.
func (s *Sink) showDelivered(items []queue.Item) {
	for i := range items {
		s.Tap.Show(s.Hide.Load, items[i].Event, tap.Delivered, "", items[i].Attempts())
	}
}

// showFailed shows an event of a failed write that will be written again.
func (s *Sink) showFailed(it queue.Item, d decision) {
	reason := ""
	if d.err != nil {
		reason = d.err.Error()
	}
	s.Tap.Show(s.Hide.Load, it.Event, tap.Failed, reason, d.attempts)
}

// showDropped shows an event that the queue has dropped. The queue holds its lock.
func (s *Sink) showDropped(e *event.Event, reason string) {
	if s.Tap.Watched() {
		s.Tap.Show(s.Hide.Load, e, tap.Dropped, "queue: "+reason, 0)
	}
}
