package postgreswal

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// writeItems has writers change rows of items at random until stop is called. They insert, update, delete and change keys, of several
// rows in a transaction. Some transactions are aborted. While truncate is true, writers also TRUNCATE the table.
func writeItems(t *testing.T, writers, rows int, truncate *atomic.Bool, seed uint64) (stop func() (commits int)) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var writing sync.WaitGroup
	counts := make([]int, writers)
	for w := range writers {
		conn := testenv.Connect(t)
		sourcetest.Exec(t, conn, "SET lock_timeout = '50ms'")
		rnd := rand.New(rand.NewPCG(seed, uint64(w)))
		writing.Go(func() {
			for ctx.Err() == nil {
				if writeTransaction(conn, rnd, rows, truncate.Load()) == nil {
					counts[w]++
				}
				time.Sleep(time.Duration(rnd.IntN(10)) * time.Millisecond) // the pace of a writer
			}
		})
	}
	stop = sync.OnceValue(func() (commits int) {
		cancel()
		writing.Wait()
		for _, n := range counts {
			commits += n
		}
		return commits
	})
	t.Cleanup(func() { stop() })
	return stop
}

// writeTransaction returns an error if it was aborted.
func writeTransaction(conn *pgx.Conn, rnd *rand.Rand, rows int, truncate bool) error {
	ctx := context.Background()
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx)
	for range 1 + rnd.IntN(3) {
		id := 1 + rnd.IntN(rows)
		sql, args := "INSERT INTO items VALUES ($1, 0) ON CONFLICT (id) DO UPDATE SET v = items.v + 1", []any{id}
		switch n := rnd.IntN(300); {
		case truncate && n == 0:
			sql, args = "TRUNCATE items", nil
		case truncate && n < 8:
			sql = "INSERT INTO items SELECT n, 0 FROM generate_series($1::int, $1::int + 100) n ON CONFLICT DO NOTHING"
		case n < 60:
			sql = "DELETE FROM items WHERE id = $1"
		case n < 100: // to a row that may exist: then it fails
			sql, args = "UPDATE items SET id = $2, v = v + 1 WHERE id = $1", []any{id, 1 + rnd.IntN(rows)}
		case n < 110:
			sql = "UPDATE items SET v = v + 1 WHERE id BETWEEN $1 AND $1 + 20"
		}
		if _, err := tx.Exec(ctx, sql, args...); err != nil {
			return err
		}
	}
	if rnd.IntN(10) == 0 {
		return context.Canceled
	}
	return tx.Commit(ctx)
}

// unsaved is a source that is ended as by kill -9: it stores nothing when it is closed.
type unsaved struct{ *source }

func (unsaved) Close(context.Context) error { return nil }

// TestSnapshotUnderAllOperations proves that a receiver that applies the events in order ends with exactly the table: 8 writers
// change rows and keys, or truncate, while the rows are read, and the source is ended three times in the middle. What is read
// is what the changes before have made of the row.
func TestSnapshotUnderAllOperations(t *testing.T) {
	for name, truncates := range map[string]bool{"rows": false, "truncate": true} {
		t.Run(name, func(t *testing.T) { snapshotUnderAllOperations(t, truncates) })
	}
}

func snapshotUnderAllOperations(t *testing.T, truncates bool) {
	const rows = 10_000
	seed := uint64(sourcetest.EnvInt(t, "SEED", int(time.Now().UnixNano()%1_000_000)))
	t.Logf("SEED=%d", seed)
	db := kind.Reset(t, sourcetest.ItemsSQL+fmt.Sprintf("INSERT INTO items SELECT n, 0 FROM generate_series(1, %d) n;", rows), "items")
	var truncate atomic.Bool
	stop := writeItems(t, 8, rows, &truncate, seed)
	out := sourcetest.NewCollector()
	batches := 0
	out.AckWith = func(*event.Event) error { // a sink that takes its time
		if batches++; batches%10 == 0 {
			time.Sleep(time.Millisecond)
		}
		return nil
	}
	begin := func() *sourcetest.Running {
		s := newSource(t, func(o *Options) {
			o.Output, o.Snapshot, o.Tables, o.InFlight = "change", "initial", []string{"items"}, 200
		})
		return sourcetest.Start(t, unsaved{s}, out, out)
	}
	st := begin()
	for n := range 3 {
		awaitReads(t, st, 300*(n+1))
		if n == 1 {
			sourcetest.Exec(t, db, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1", "eventgateway "+plugintest.Name)
			continue
		}
		st.Stop()
		st = begin()
	}
	truncate.Store(truncates)
	kind.AwaitSnapshots(t, db, 1)
	commits := stop()
	events := awaitComplete(t, db, st)
	m := requireTable(t, db, events)
	t.Logf("%d commits, %d events, %d rows read, %d came again", commits, len(events), m.reads, out.Repeated())
	if m.reads == 0 || len(events) == m.reads || out.Repeated() == 0 {
		t.Error("nothing was tested")
	}
}

// awaitReads waits until a number of rows was read.
func awaitReads(t *testing.T, st *sourcetest.Running, n int) {
	t.Helper()
	for have := n; ; have++ {
		events := st.Await(t, have)
		if readRows(events) >= n {
			return
		}
		have = len(events)
	}
}
