package plugintest

import (
	"slices"
	"sync"
	"time"

	"eventgateway/gateway/event"
)

// receipt settles one batch. It is all that the suite knows of how a batch is settled.
type receipt struct {
	c      *check
	batch  event.Batch
	events []*event.Event // as the batch has come
	once   sync.Once
}

// newReceipt returns nil where the batch has no Ack.
func newReceipt(c *check, b event.Batch) *receipt {
	if b.Ack == nil {
		return nil
	}
	return &receipt{c: c, batch: b, events: slices.Clone(b.Events)}
}

// settle settles the batch, once. The caller may be Emit, which the source waits for.
func (r *receipt) settle(err error) {
	if r == nil {
		return
	}
	r.once.Do(func() {
		if !slices.Equal(r.batch.Events, r.events) {
			r.c.addFinding(ruleAcks, "the slice of a batch has changed before the batch was settled: make one for each batch with an Ack")
		}
		r.batch.Ack.AttemptFailed(1, time.Now())
		r.batch.Ack.Settle(err)
	})
}
