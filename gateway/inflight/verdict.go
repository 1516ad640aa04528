package inflight

import (
	"context"
	"time"

	"eventgateway/gateway/internal/settle"
)

// Verdict is what becomes of one batch, for a source that answers the sender of the batch, such as a client of HTTP. Several
// goroutines may wait for it.
type Verdict struct {
	ack  settle.Ack
	done chan struct{}
	err  error
}

// NewVerdict returns the Verdict of a batch that is about to be emitted.
func NewVerdict() *Verdict {
	v := &Verdict{done: make(chan struct{})}
	v.ack.Init(v, nil) // the sender decides what it sends again, and in which order
	return v
}

// Ack returns the Ack of the batch.
func (v *Verdict) Ack() *settle.Ack { return &v.ack }

// Wait waits until the batch is settled, or ctx ends. It returns nil if all required sinks have the events, and ctx's error if the batch is
// not settled yet: its events may still be delivered. Else it returns the reason of the nack. If plugin.IsPermanent accepts the reason, the same
// events will be refused again; otherwise the sender may send them again, after plugin.RetryDelay if that is not 0.
func (v *Verdict) Wait(ctx context.Context) error {
	select {
	case <-v.done:
		return v.err
	default:
	}
	select {
	case <-v.done:
		return v.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Settled is part of [settle.Owner].
func (v *Verdict) Settled(err error) {
	v.err = err
	close(v.done)
}

// AttemptFailed is part of [settle.Owner].
func (v *Verdict) AttemptFailed(int, time.Time) {}
