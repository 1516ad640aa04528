package postgreswal

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// TestTransactions proves that changes arrive in the order of commits, without those of savepoints and transactions that
// were rolled back. A prepared transaction arrives at COMMIT PREPARED, also after a restart of the source.
func TestTransactions(t *testing.T) {
	db := kind.Reset(t, sourcetest.ItemsSQL, "items")
	st := start(t, asChange, sourcetest.NewCollector())
	late, aborted := testenv.Connect(t), testenv.Connect(t)
	sourcetest.Exec(t, late, "BEGIN; INSERT INTO items VALUES (1); SAVEPOINT a; INSERT INTO items VALUES (2); ROLLBACK TO a; SAVEPOINT b; INSERT INTO items VALUES (3); RELEASE b")
	sourcetest.Exec(t, aborted, "BEGIN; INSERT INTO items VALUES (4)")
	sourcetest.Exec(t, db, "BEGIN; INSERT INTO items VALUES (5); PREPARE TRANSACTION 'one'")
	sourcetest.Exec(t, db, "BEGIN; INSERT INTO items VALUES (6); PREPARE TRANSACTION 'other'")
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (7)")
	sourcetest.Exec(t, aborted, "ROLLBACK")
	sourcetest.Exec(t, late, "COMMIT")
	kind.AwaitStored(t, db, st.Await(t, 3))
	st.Stop()
	again := start(t, asChange, st.Collector)
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (8)")
	sourcetest.Exec(t, db, "ROLLBACK PREPARED 'other'")
	sourcetest.Exec(t, db, "COMMIT PREPARED 'one'")
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (9)")
	if got := sourcetest.OperationsOf(t, again.Await(t, 6)); got != "I7 I1 I3 I8 I5 I9" || again.Repeated() > 0 {
		t.Errorf("got %s, %d again", got, again.Repeated())
	}
}

// TestTransactionAttributes proves that events have their transaction, their place in it, and whether they are its last.
func TestTransactionAttributes(t *testing.T) {
	db := kind.Reset(t, sourcetest.ItemsSQL+"CREATE TABLE other (id int PRIMARY KEY);", "items", "other")
	st := start(t, func(o *Options) { o.Transactions, o.Tables = true, []string{"items"} }, sourcetest.NewCollector())
	var xid string
	tx, err := db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.QueryRow(t.Context(), "SELECT pg_current_xact_id()::text").Scan(&xid); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{"INSERT INTO items VALUES (1)", "INSERT INTO other VALUES (1)", "INSERT INTO items VALUES (2)", "INSERT INTO other VALUES (2)"} {
		if _, err := tx.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (3)")
	var got []string
	for _, e := range st.Await(t, 3) {
		got = append(got, strings.Join(attrs(e, "tx_position", "tx_last"), " "))
		if id := attrs(e, "xid")[0]; len(got) < 3 && id != xid || len(got) == 3 && id == xid {
			t.Errorf("transaction %s of %s, the first one is %s", id, e.Data, xid)
		}
	}
	if want := []string{"1 false", "3 true", "1 true"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// countingOutput acks all, and stores nothing.
type countingOutput struct {
	plugintest.Output
	count   atomic.Int64
	each    func(n int64)
	reached chan struct{} // closed at the event number until
	until   int64
}

func (o *countingOutput) Emit(_ context.Context, b event.Batch) error {
	for range b.Events {
		n := o.count.Add(1)
		o.each(n)
		if n == o.until {
			close(o.reached)
		}
	}
	b.Ack.Settle(nil)
	return nil
}

// TestHugeTransaction proves that a transaction needs little memory, however large it is, and that other sessions' changes follow it.
func TestHugeTransaction(t *testing.T) {
	const rows, limit = 100_000, 64 << 20 // its rows have 100 MB
	db := kind.Reset(t, "CREATE TABLE items (id int PRIMARY KEY, note text);", "items")
	sourcetest.Exec(t, db, "INSERT INTO items SELECT n, repeat(md5(n::text), 32) FROM generate_series(1, $1::int) n", rows)
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (0, '')")
	var most uint64
	out := &countingOutput{reached: make(chan struct{}), until: rows + 1, each: func(n int64) {
		if n%10_000 == 0 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
		}
	}}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	s := newSource(t, nil)
	go func() { ended <- s.Run(ctx, out) }()
	select {
	case <-out.reached:
	case err := <-ended:
		t.Fatal(err)
	case <-testenv.Context(t).Done():
		t.Fatalf("%d of %d", out.count.Load(), rows)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := s.Close(testenv.Context(t)); err != nil {
		t.Error(err)
	}
	if most > limit {
		t.Errorf("%d MB are in use", most>>20)
	}
	t.Logf("%d MB in use at most", most>>20)
}

// TestSecondReaderFencesFirst proves that a later reader of the slot continues, that the former one gets an error and can store
// nothing, and that nothing is lost.
func TestSecondReaderFencesFirst(t *testing.T) {
	db := kind.Reset(t, sourcetest.ItemsSQL, "items")
	out := sourcetest.NewCollector()
	first := start(t, asChange, out)
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (1)")
	kind.AwaitStored(t, db, first.Await(t, 1))
	second := newSource(t, asChange)
	taken := sourcetest.NewCollector()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil { // the first one may come back before it is ready
			_ = second.Run(ctx, taken)
		}
	}()
	<-taken.Connected
	if err := <-first.Errs; err == nil {
		t.Error("the first reader goes on")
	}
	cancel()
	<-ended
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (2)")
	kind.AwaitStored(t, db, first.Await(t, 2))
	// A reader that is still connected finds that another one has taken over.
	sourcetest.Exec(t, db, "UPDATE gateway.wal_reader SET token = token + 1")
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (3)")
	for err := range first.Errs {
		if strings.Contains(err.Error(), errFenced.Error()) {
			break
		}
	}
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (4)")
	kind.AwaitStored(t, db, first.Await(t, 4))
	if got := sourcetest.OperationsOf(t, first.Events()); got != "I1 I2 I3 I4" {
		t.Errorf("got %s", got)
	}
	if err := second.Close(testenv.Context(t)); err != nil {
		t.Error(err)
	}
}

// TestOnlyTablesOfTheOption proves that other tables of the publication are skipped and counted.
func TestOnlyTablesOfTheOption(t *testing.T) {
	db := kind.Reset(t, sourcetest.ItemsSQL+"CREATE TABLE other (id int PRIMARY KEY);", "items", "other")
	s := newSource(t, func(o *Options) { o.Tables = []string{"other"} })
	c := sourcetest.NewCollector()
	st := sourcetest.Start(t, s, c, c)
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (1), (2); INSERT INTO other VALUES (3)")
	if got := st.Await(t, 1); len(got) != 1 || got[0].Key != "public.other:3" {
		t.Errorf("got %s", sourcetest.Join(got, func(e *event.Event) string { return fmt.Sprint(e.Key) }))
	}
	st.Stop()
	if n := testutil.ToFloat64(s.skipped); n != 2 {
		t.Errorf("%v were skipped", n)
	}
}

// TestRestartInsideATransaction proves that a source continues inside a transaction: what was acked does not come again.
func TestRestartInsideATransaction(t *testing.T) {
	const rows, acked = 10_000, 4_000
	db := kind.Reset(t, sourcetest.ItemsSQL, "items")
	out := sourcetest.NewCollector()
	n := 0
	out.Withhold = func(*event.Event, int) bool { n++; return n > acked }
	st := start(t, asChange, out)
	sourcetest.Exec(t, db, sourcetest.InsertItems, 1, rows, 1)
	kind.AwaitStored(t, db, st.Await(t, rows)[:acked])
	st.Stop()
	again := start(t, asChange, sourcetest.NewCollector())
	sourcetest.Exec(t, db, sourcetest.InsertItems, rows+1, rows+1, 1)
	events := again.Await(t, rows-acked+1)
	for i, e := range events {
		if want := fmt.Sprint("public.items:", acked+1+i); e.Key != want || i < rows-acked && e.ID != st.Events()[acked+i].ID {
			t.Fatalf("event %d is %s with the ID %s, want %s", i, e.Key, e.ID, want)
		}
	}
	if len(events) > rows-acked+1 {
		t.Errorf("%d events", len(events))
	}
}

// TestTwoSlots proves that each slot gets all changes, with the same IDs.
func TestTwoSlots(t *testing.T) {
	db := kind.Reset(t, sourcetest.ItemsSQL, "items")
	one := start(t, asChange, sourcetest.NewCollector())
	other := start(t, func(o *Options) { o.Output, o.Slot = "change", "other" }, sourcetest.NewCollector())
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (1), (2); UPDATE items SET v = 2; DELETE FROM items")
	theirs := other.Await(t, 6)
	for i, e := range one.Await(t, 6) {
		if e.ID != theirs[i].ID || string(e.Data) != string(theirs[i].Data) {
			t.Errorf("%s and %s: %s and %s", e.ID, theirs[i].ID, e.Data, theirs[i].Data)
		}
	}
}
