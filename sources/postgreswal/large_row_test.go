package postgreswal

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"eventgateway/gateway/event"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// sizes is an output that keeps only the size of each event.
type sizes struct {
	*sourcetest.Collector
	emitted chan int
}

func (o *sizes) Emit(_ context.Context, b event.Batch) error {
	for _, e := range b.Events {
		o.emitted <- len(e.Data)
	}
	b.Ack.Settle(nil)
	return nil
}

// TestLargeRowsLeaveNoMemory proves that a row larger than all bounds of memory arrives, and that its memory is free afterwards, also
// if no change follows.
func TestLargeRowsLeaveNoMemory(t *testing.T) {
	const size = 100 << 20
	db := kind.Reset(t, "CREATE TABLE items (id int PRIMARY KEY, note text);", "items")
	out := &sizes{sourcetest.NewCollector(), make(chan int, 10)}
	sourcetest.Start(t, newSource(t, asChange), out.Collector, out)
	heap := func() (bytes uint64) {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (1, 'small')")
	<-out.emitted
	before := heap()
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (2, repeat(E'\n', $1))", size)
	if n := <-out.emitted; n < 2*size {
		t.Errorf("the event has %d bytes", n)
	}
	testenv.Eventually(t, testenv.Wait, "the memory is free", func() bool { return heap() < before+size/4 }, func() string {
		return fmt.Sprint(heap()>>20, " MiB, and before ", before>>20)
	})
}
