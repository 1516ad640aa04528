package postgreswal

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// waitingCommit is a transaction that has changed rows of items. Its commit is in the WAL, but it is not visible, because its session
// waits for a synchronous standby that does not exist.
type waitingCommit struct {
	release func() // ends the wait of the session
}

func commitWithoutStandby(t *testing.T, db *pgx.Conn, url, sql string) *waitingCommit {
	t.Helper()
	conn, err := pgx.Connect(testenv.Context(t), url)
	if err != nil {
		t.Fatal(err)
	}
	sourcetest.Exec(t, conn, "SET synchronous_commit = on")
	pid := conn.PgConn().PID()
	var ended sync.WaitGroup
	ended.Go(func() {
		if _, err := conn.Exec(context.Background(), "BEGIN; "+sql+"; COMMIT"); err != nil {
			t.Error(err)
		}
		_ = conn.Close(context.Background())
	})
	testenv.WaitForSQL(t, db, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'SyncRep')", pid)
	c := &waitingCommit{release: sync.OnceFunc(func() {
		if _, err := db.Exec(context.Background(), "SELECT pg_cancel_backend($1)", pid); err != nil {
			t.Error(err)
		}
		ended.Wait()
	})}
	t.Cleanup(c.release)
	return c
}

// standbyCase is a source that reads items, on a server whose synchronous standby does not exist. A transaction is emitted, and is not
// visible.
type standbyCase struct {
	db     *pgx.Conn
	set    func(*Options)
	out    *gate
	source *sourcetest.Running
	commit *waitingCommit
}

// startStandbyCase starts the source. It has read the first rows when the transaction is committed. It changes rows that were not read: it
// updates some, deletes one, changes the key of one, and inserts one.
func startStandbyCase(t *testing.T, rows int) *standbyCase {
	t.Helper()
	server := testenv.StartPostgres(t, "-c", "synchronous_standby_names=absent")
	c := &standbyCase{db: testenv.ConnectTo(t, server), out: newGate(10)}
	sourcetest.Exec(t, c.db, sourcetest.ItemsSQL+fmt.Sprintf("INSERT INTO items SELECT n, 0 FROM generate_series(1, %d) n;", rows))
	kind.Install(t, c.db, "items")
	c.set = func(o *Options) {
		o.URL = options.NewURL(server.URL())
		o.Output, o.Snapshot, o.Tables = "change", "initial", []string{"items"}
	}
	c.out.OnGap = func(reason string) { t.Errorf("gap: %s", reason) }
	c.start(t)
	c.out.await(t)
	c.commit = commitWithoutStandby(t, c.db, server.URL(), `UPDATE items SET v = v + 1 WHERE id IN (2, 400, 900); DELETE FROM items WHERE id = 500;
		UPDATE items SET id = 5000, v = 7 WHERE id = 600; INSERT INTO items VALUES (3000, 1)`)
	return c
}

func (c *standbyCase) start(t *testing.T) {
	c.source = sourcetest.Start(t, newSource(t, c.set), c.out.Collector, c.out)
}

// TestSnapshotBesideAWaitingCommit proves that a snapshot leaves out the rows of a transaction that was emitted and is not visible,
// because its session waits for a synchronous standby. The snapshot does not wait for it.
func TestSnapshotBesideAWaitingCommit(t *testing.T) {
	const rows = 2000
	c := startStandbyCase(t, rows)
	c.out.open(t, 0)
	kind.AwaitSnapshots(t, c.db, 1)
	if n := readRows(c.out.Events()); n != rows-4 { // row 2 was read before; 400, 500, 600 and 900 are left out
		t.Errorf("%d rows were read, want %d", n, rows-4)
	}
	c.commit.release()
	requireTable(t, c.db, awaitComplete(t, c.db, c.source))
}

// TestSnapshotAfterARestartBesideAWaitingCommit proves that after a restart a snapshot waits until all transactions that were emitted
// before are visible, because their keys are not known any more. Changes do not wait.
func TestSnapshotAfterARestartBesideAWaitingCommit(t *testing.T) {
	const rows = 2000
	c := startStandbyCase(t, rows)
	c.out.open(t, 1500)
	c.source.Stop()
	if !slices.ContainsFunc(c.out.Events(), func(e *event.Event) bool { return e.Key == "public.items:3000" }) {
		t.Fatal("the transaction is not emitted")
	}
	before := readRows(c.out.Events())
	c.out.from.Store(0)
	c.start(t)
	for n := range 50 { // the snapshot has time to go on
		sourcetest.Exec(t, c.db, "INSERT INTO items VALUES ($1, 1)", 6000+n)
		c.out.AwaitKey(t, fmt.Sprint("public.items:", 6000+n))
	}
	if after := readRows(c.out.Events()); after != before || after == 0 || after >= rows-4 {
		t.Errorf("%d rows were read, and %d before the restart", after, before)
	}
	c.commit.release()
	requireTable(t, c.db, awaitComplete(t, c.db, c.source))
}
