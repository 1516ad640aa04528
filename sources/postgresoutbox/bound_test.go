package postgresoutbox

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// withBound returns a reader of items that takes a snapshot, with a bound that the options do not allow to users.
func withBound(age time.Duration, bytes int64) func(*Options) {
	return func(o *Options) {
		withSnapshot("items")(o)
		o.MaxAge, o.MaxBytes = options.Duration(age), options.Size(bytes)
	}
}

// writeItems inserts items from first to last, each 1,000 in a transaction of their own.
func writeItems(t testing.TB, db *pgx.Conn, first, last int) {
	t.Helper()
	for ; first <= last; first += 1000 {
		sourcetest.Exec(t, db, fmt.Sprintf("INSERT INTO items SELECT n, 0 FROM generate_series(%d, %d) n", first, min(first+999, last)))
	}
}

// makeOld makes all changes in the outbox an hour old.
func makeOld(t testing.TB, db *pgx.Conn) {
	t.Helper()
	sourcetest.Exec(t, db, "UPDATE gateway.outbox SET at = at - interval '1 hour'")
}

const detachedReaders = "SELECT count(*) FROM gateway.outbox_reader r WHERE NOT " + notDetachedSQL

// awaitDone waits until the reader has read all, and nothing is left in the outbox.
func awaitDone(t testing.TB, db *pgx.Conn) {
	t.Helper()
	awaitCursor(t, db, `(SELECT bool_and(r.gaps = '{}' AND r.hi = (SELECT last_value FROM gateway.outbox_id_seq) AND (r.snapshot->'tables' IS NULL OR r.snapshot::text LIKE '%done%')) FROM gateway.outbox_reader r)
		AND NOT EXISTS (SELECT FROM gateway.outbox)`)
}

// TestAbsentReaderIsDetached proves that writers alone detach a reader that is away and delete its changes. The reader
// reports a gap when it comes back, and reads all rows again, under new IDs.
func TestAbsentReaderIsDetached(t *testing.T) {
	db := resetDatabase(t, sourcetest.ItemsSQL, "items")
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (1, 0), (2, 0)")
	first := start(t, withBound(time.Minute, 0), sourcetest.NewCollector())
	first.Await(t, 2)
	awaitDone(t, db)
	first.Stop()
	writeItems(t, db, 10, 3000)
	if n := count(t, db, detachedReaders); n != 0 {
		t.Fatal("a reader within its bound is detached")
	}
	makeOld(t, db)
	sourcetest.Exec(t, db, "DELETE FROM items WHERE id = 2")
	writeItems(t, db, 3001, 5000)
	if n := count(t, db, detachedReaders); n != 1 {
		t.Fatalf("%d readers are detached", n)
	}
	writeItems(t, db, 5001, 30_000)
	if n := count(t, db, "SELECT count(*) FROM gateway.outbox"); n > 12_000 {
		t.Errorf("%d changes are in the outbox", n)
	}
	c := sourcetest.NewCollector()
	gaps := sourcetest.RecordGaps(c)
	st := start(t, withBound(time.Minute, 0), c)
	if n := gaps.AwaitGap(t, "because it had not read a change for 01:00"); n != 1 {
		t.Errorf("%d gaps", n)
	}
	awaitDone(t, db)
	sourcetest.Exec(t, db, "UPDATE items SET v = 7 WHERE id = 1")
	events := st.Await(t, 29_993)
	st.Stop()
	for i, e := range events {
		if got, want := sourcetest.ChangeOf(t, e).Operation, "READ"; i < 29_992 && got != want {
			t.Fatalf("event %d is %s", i, e.Data)
		}
		if first.Seen(e.ID) {
			t.Errorf("%s came before the gap", e.ID)
		}
	}
	if len(events) != 29_993 || len(st.Errs) > 0 {
		t.Errorf("%d events, %d runs have failed", len(events), len(st.Errs))
	}
	if n := count(t, db, "SELECT count(*) FROM gateway.outbox_detached"); n != 0 {
		t.Errorf("%d detachments are left", n)
	}
}

// TestBoundInBytes proves that small and large changes count by their size on disk, and that the
// size of the files alone detaches no reader.
func TestBoundInBytes(t *testing.T) {
	db := resetDatabase(t, `CREATE TABLE items (id int PRIMARY KEY, v int, note text);`, "items")
	start(t, withBound(0, 8<<20), sourcetest.NewCollector()).Stop()
	// The files are large, and the reader has read what they hold.
	sourcetest.Exec(t, db, "INSERT INTO items SELECT n, 0, repeat('x', 1000) FROM generate_series(1, 20000) n")
	start(t, withBound(0, 8<<20), sourcetest.NewCollector()).Stop()
	st := start(t, withBound(0, 8<<20), sourcetest.NewCollector())
	awaitDone(t, db)
	st.Stop()
	sourcetest.Exec(t, db, "INSERT INTO items SELECT n, 0, repeat(md5(n::text), 30) FROM generate_series(20001, 24000) n")
	if n := count(t, db, detachedReaders); n != 0 {
		t.Error("4 MB, and the reader is detached")
	}
	sourcetest.Exec(t, db, "INSERT INTO items SELECT n, 0, repeat(md5(n::text), 30) FROM generate_series(24001, 39000) n")
	if n := count(t, db, detachedReaders+" AND EXISTS (SELECT FROM gateway.outbox_detached WHERE reason LIKE 'it had not read changes of % kB, and max_bytes is 8192 kB')"); n != 1 {
		t.Error("19 MB, and the reader is not detached")
	}
	st = start(t, withBound(0, 8<<20), sourcetest.NewCollector())
	awaitDone(t, db)
	st.Stop()
	random := "(SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 65000 + 0 * n))" // 2 MB
	sourcetest.Exec(t, db, "INSERT INTO items SELECT 100000 + n, 0, "+random+" FROM generate_series(1, 3) n")
	if n := count(t, db, detachedReaders); n != 0 {
		t.Error("6 MB, and the reader is detached")
	}
	sourcetest.Exec(t, db, "INSERT INTO items SELECT 100010 + n, 0, "+random+" FROM generate_series(1, 3) n")
	if n := count(t, db, detachedReaders); n != 1 {
		t.Error("12 MB, and the reader is not detached")
	}
}

// TestBoundOptions proves that a bound that no reader could keep is refused.
func TestBoundOptions(t *testing.T) {
	o := Type().Defaults().(*Options)
	o.MaxAge, o.MaxBytes = options.Duration(time.Second), 1<<20
	got := ""
	o.Check(func(option, text string) { got += option + ": " + text + "\n" })
	if want := "max_age: must be at least 1m: a reader needs time to connect again\nmax_bytes: must be at least 64MiB: a reader reads several MiB at once\n"; got != want {
		t.Errorf("got %s", got)
	}
}

// TestBoundWithOldSQL proves that a reader runs with SQL that enforces no bound, and that check --live says so.
func TestBoundWithOldSQL(t *testing.T) {
	old, err := os.ReadFile("../../gateway/pgtrigger/testdata/past/outbox-6.sql")
	if err != nil {
		t.Fatal(err)
	}
	db := resetDatabase(t, `DROP SCHEMA IF EXISTS shop CASCADE; CREATE SCHEMA shop; CREATE TABLE orders (id int PRIMARY KEY); CREATE TABLE shop."Order Items" (id int PRIMARY KEY);`)
	sourcetest.Exec(t, db, `DROP SCHEMA gateway CASCADE;`+string(old))
	set := func(o *Options) { o.MaxAge, o.Tables = options.Duration(time.Hour), []string{"orders"} }
	st := startSource(t, newQuickSource(t, set), sourcetest.NewCollector())
	sourcetest.Exec(t, db, "INSERT INTO orders SELECT generate_series(1, 3000)")
	st.Await(t, 3000)
	awaitCursor(t, db, "NOT EXISTS (SELECT FROM gateway.outbox)")
	if got := probeText(t, set); !strings.Contains(got, "WRONG: max_age and max_bytes have no effect: the SQL of the outbox is older than version 4 -> gateway sql --migrate --apply") {
		t.Error(got)
	}
	st.Stop()
	if len(st.Errs) > 0 {
		t.Errorf("a run has failed: %v", <-st.Errs)
	}
	sourcetest.Exec(t, db, outbox(t).CreateSQL())
	st = start(t, set, sourcetest.NewCollector())
	sourcetest.Exec(t, db, "INSERT INTO orders VALUES (0)")
	st.Await(t, 1)
	st.Stop()
	if n := count(t, db, "SELECT count(*) FROM gateway.outbox_reader WHERE max_age = '1 hour' AND attached = token"); n != 1 {
		t.Error("the bound is not stored")
	}
	sourcetest.Exec(t, db, "DROP SCHEMA shop CASCADE")
}

// orderedOutput records events and gaps in their order, and can block Emit.
type orderedOutput struct {
	*sourcetest.Collector
	mu     sync.Mutex
	order  []any         // *event.Event, or the reason of a gap
	gate   chan struct{} // Emit waits until it is closed; nil: it does not
	atGate chan struct{}
}

func (o *orderedOutput) Gap(reason string) {
	o.mu.Lock()
	o.order = append(o.order, reason)
	o.mu.Unlock()
	o.Collector.Gap(reason)
}

func (o *orderedOutput) Emit(ctx context.Context, b event.Batch) error {
	if o.gate != nil {
		select {
		case o.atGate <- struct{}{}:
		default:
		}
		select {
		case <-o.gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	o.mu.Lock()
	for _, e := range b.Events {
		o.order = append(o.order, e)
	}
	o.mu.Unlock()
	return o.Collector.Emit(ctx, b)
}

// TestRunningReaderIsDetached proves that a reader whose sink is blocked finds that it was detached before it emits a
// change that follows a missing one.
func TestRunningReaderIsDetached(t *testing.T) {
	for _, snapshot := range []string{"initial", "never"} {
		t.Run(snapshot, func(t *testing.T) {
			db := resetDatabase(t, sourcetest.ItemsSQL, "items")
			out := &orderedOutput{Collector: sourcetest.NewCollector(), gate: make(chan struct{}), atGate: make(chan struct{}, 1)}
			st := startOutput(t, newSource(t, func(o *Options) { withBound(time.Minute, 0)(o); o.Snapshot = snapshot }), out.Collector, out)
			writeItems(t, db, 1, 10)
			<-out.atGate
			makeOld(t, db)
			writeItems(t, db, 11, 20_000)
			if n := count(t, db, "SELECT count(*) FROM gateway.outbox WHERE id <= 10"); n == 10 {
				makeOld(t, db)
				writeItems(t, db, 20_001, 30_000)
			}
			if count(t, db, detachedReaders) != 1 || count(t, db, "SELECT count(*) FROM gateway.outbox") == count(t, db, "SELECT count(*) FROM items") {
				t.Fatal("the reader is not detached, or no change is deleted")
			}
			close(out.gate)
			testenv.Eventually(t, testenv.Wait, "the reader is back", func() bool { return count(t, db, detachedReaders) == 0 })
			sourcetest.Exec(t, db, "UPDATE items SET v = 1 WHERE id = 1")
			awaitCursor(t, db, "gaps = '{}' AND hi = (SELECT last_value FROM gateway.outbox_id_seq) AND NOT EXISTS (SELECT FROM gateway.outbox)")
			if snapshot == "initial" {
				awaitDone(t, db)
			}
			st.Stop()
			last, gaps, reads, updated := int64(0), 0, 0, false
			for _, one := range out.order {
				reason, isGap := one.(string)
				if isGap {
					if !strings.Contains(reason, "was detached") {
						t.Errorf("gap: %s", reason)
					}
					gaps++
					continue
				}
				c := sourcetest.ChangeOf(t, one.(*event.Event))
				if c.Operation == "READ" {
					reads++
					continue
				}
				updated = updated || c.Operation == "UPDATE"
				id := outboxID(t, c)
				if gaps == 0 && id != last+1 {
					t.Errorf("change %d after %d, without a gap", id, last)
				}
				last = id
			}
			if want := count(t, db, "SELECT count(*) FROM items"); gaps != 1 || !updated || (reads > 0) != (snapshot == "initial") || reads > 0 && reads < want {
				t.Errorf("%d gaps, %d of %d rows read again, updated %v", gaps, reads, want, updated)
			}
		})
	}
}

// TestOtherReaderDeletes proves that a reader deletes what only a detached one has not read, and that
// itself misses nothing.
func TestOtherReaderDeletes(t *testing.T) {
	db := resetDatabase(t, sourcetest.ItemsSQL, "items")
	start(t, func(o *Options) { withBound(time.Hour, 0)(o); o.Name = "gone" }, sourcetest.NewCollector()).Stop()
	c := sourcetest.NewCollector()
	c.OnGap = func(reason string) { t.Errorf("gap: %s", reason) }
	st := startSource(t, newQuickSource(t, nil), c)
	writeItems(t, db, 1, 2000)
	st.Await(t, 2000)
	if n := count(t, db, "SELECT count(*) FROM gateway.outbox"); n != 2000 {
		t.Fatalf("%d changes are kept", n)
	}
	sourcetest.Exec(t, db, "UPDATE gateway.outbox_reader SET max_age = '1 microsecond' WHERE name = 'gone'")
	writeItems(t, db, 2001, 4000)
	st.Await(t, 4000)
	testenv.Eventually(t, testenv.Wait, "all is deleted", func() bool { return count(t, db, "SELECT count(*) FROM gateway.outbox") == 0 })
	back := sourcetest.NewCollector()
	gaps := sourcetest.RecordGaps(back)
	gone := start(t, func(o *Options) { withBound(time.Hour, 0)(o); o.Name = "gone" }, back)
	gaps.AwaitGap(t, "the reader gone was detached")
	gone.Await(t, 4000)
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (0, 0)")
	gone.Await(t, 4001)
	st.Await(t, 4001)
	st.Stop()
	if len(st.Errs) > 0 {
		t.Errorf("%d runs have failed: %v", len(st.Errs), <-st.Errs)
	}
}
