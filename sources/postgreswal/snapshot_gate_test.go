package postgreswal

import (
	"context"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// gate is an output that blocks at the rows of a snapshot from an id on.
type gate struct {
	*sourcetest.Collector
	from    atomic.Int64  // the id; 0: none
	reached chan struct{} // has a value when a row waits; its capacity is 1
	opened  chan struct{} // gets a value after from was changed
	largest atomic.Int64  // events of the largest batch
	failed  chan error    // that the source has reported
}

// ReportError is part of [plugin.Output].
func (g *gate) ReportError(err error) { g.failed <- err }

func newGate(from int64) *gate {
	g := &gate{Collector: sourcetest.NewCollector(), reached: make(chan struct{}, 1), opened: make(chan struct{}), failed: make(chan error, 100)}
	g.from.Store(from)
	return g
}

func (g *gate) Emit(ctx context.Context, b event.Batch) error {
	last := b.Events[len(b.Events)-1]
	g.largest.Store(max(g.largest.Load(), int64(len(b.Events))))
	id, _ := strconv.ParseInt(strings.TrimPrefix(last.Key, "public.items:"), 10, 64)
	for sourcetest.Operation(last) == "READ" && g.from.Load() > 0 && id >= g.from.Load() {
		signal(g.reached)
		select {
		case <-g.opened:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return g.Collector.Emit(ctx, b)
}

// open lets rows pass up to the id from, and returns when one waits there; 0 lets all pass.
func (g *gate) open(t *testing.T, from int64) {
	t.Helper()
	g.from.Store(from)
	g.opened <- struct{}{}
	if from > 0 {
		g.await(t)
	}
}

// await returns when a row waits.
func (g *gate) await(t *testing.T) {
	t.Helper()
	select {
	case <-g.reached:
	case <-time.After(testenv.Wait):
		t.Fatal("no row has come to the gate")
	}
}

func readRows(events []*event.Event) (n int) {
	for _, e := range events {
		if sourcetest.Operation(e) == "READ" {
			n++
		}
	}
	return n
}

// startGated runs a source that waits before the row 100 of 2,000 items.
func startGated(t *testing.T, ddl string, set func(*Options)) (*gate, *sourcetest.Running) {
	t.Helper()
	kind.Reset(t, ddl+"INSERT INTO items SELECT n, 0 FROM generate_series(1, 2000) n;", "items")
	g := newGate(100)
	st := sourcetest.Start(t, newSource(t, func(o *Options) {
		o.Output, o.Snapshot, o.Tables = "change", "initial", []string{"items"}
		set(o)
	}), g.Collector, g)
	g.await(t)
	return g, st
}

// TestSnapshotBehindALag proves that a chunk waits until all changes that its rows include were emitted, however far the stream is behind.
func TestSnapshotBehindALag(t *testing.T) {
	g, st := startGated(t, sourcetest.ItemsSQL, func(*Options) {})
	db := testenv.Connect(t)
	var walsender int
	if err := db.QueryRow(t.Context(), "SELECT pid FROM pg_stat_replication").Scan(&walsender); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(walsender, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(walsender, syscall.SIGCONT) })
	sourcetest.Exec(t, db, "UPDATE items SET v = v + 1 WHERE id BETWEEN 1000 AND 1100; DELETE FROM items WHERE id = 1200")
	g.open(t, 0)
	time.Sleep(time.Second) // in which rows would be emitted too early
	if err := syscall.Kill(walsender, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	requireTable(t, db, awaitComplete(t, db, st))
}

// TestSnapshotWithFewInFlight proves that no batch has more events than may be in flight, and that no row is emitted in the middle of
// a transaction, though the transaction arrives in parts.
func TestSnapshotWithFewInFlight(t *testing.T) {
	const inFlight, written = 10, 4000
	g, st := startGated(t, "CREATE TABLE items (id int PRIMARY KEY, v int NOT NULL, filler text);", func(o *Options) { o.InFlight, o.Transactions = inFlight, true })
	db := testenv.Connect(t)
	sourcetest.Exec(t, db, "INSERT INTO items SELECT n, 0, repeat('x', 8000) FROM generate_series(10001, 10000 + $1::int) n", written) // more than the pipe takes
	testenv.WaitForSQL(t, db, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'walsender' AND wait_event = 'WalSenderWriteData')")
	g.open(t, 0)
	events := awaitComplete(t, db, st)
	requireTable(t, db, events)
	for i, e := range events[1:] {
		if last, _ := events[i].Attr("tx_last"); last == "false" && sourcetest.Operation(e) == "READ" {
			t.Fatalf("event %d is a row in the middle of a transaction", i+1)
		}
	}
	if g.largest.Load() != inFlight {
		t.Errorf("the largest batch has %d events", g.largest.Load())
	}
}
