package plugintest

import (
	"slices"
	"sync"
	"time"

	"eventgateway/gateway/event"
)

// receipt settles one batch, once.
type receipt struct {
	c      *check
	batch  event.Batch
	events []*event.Event // a copy of batch.Events from Emit
	once   sync.Once
}

// newReceipt returns a receipt, or nil if the batch has no Ack.
func newReceipt(c *check, b event.Batch) *receipt {
	if b.Ack == nil {
		return nil
	}
	return &receipt{c: c, batch: b, events: slices.Clone(b.Events)}
}

// settle acks the batch, or nacks it with an error. Only the first call counts. A nil receipt does nothing.
func (r *receipt) settle(err error) {
	if r == nil {
		return
	}
	r.once.Do(func() {
		if !slices.Equal(r.batch.Events, r.events) {
			r.c.addFinding(ruleAcks, "the slice of a batch has changed before the batch was settled: make a new slice for each batch with an Ack")
		}
		r.batch.Ack.AttemptFailed(1, time.Now())
		r.batch.Ack.Settle(err)
	})
}
