package postgreswal

import (
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/testenv/sourcetest"
)

// TestLargeTransactionWithinMaxLag proves that a slot is not given up while a transaction larger than max_lag is being delivered: the slot
// cannot be confirmed within it, and the lag falls all the same.
func TestLargeTransactionWithinMaxLag(t *testing.T) {
	const rows = 300_000 // over 20 MiB of WAL
	l := newLagging(t, func(o *Options) { o.MaxLag.Bytes = 8 << 20 })
	s := l.build()
	s.measureEvery = 3 * time.Second // a busy server needs a part of it to report how far it has read
	out := newBlockingOutput()
	n := 0
	out.AckWith = func(*event.Event) error {
		if n++; n%100 == 0 {
			time.Sleep(2 * time.Millisecond) // the pace of a sink: it takes longer than several measurements
		}
		return nil
	}
	f := &sourcetest.Follower{Running: sourcetest.Start(t, s, out.Collector, out), Gaps: sourcetest.RecordGaps(out.Collector)}
	sourcetest.Exec(t, l.db, sourcetest.InsertItems, 1, rows, 1)
	f.AwaitItems(t, 1, rows, 1)
	if got := f.Reasons(); len(got) > 0 {
		t.Errorf("gaps %q", got)
	}
}
