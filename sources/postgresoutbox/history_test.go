package postgresoutbox

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// TestFailoverToALaggingStandby proves that all rows of the new primary are delivered, although its
// sequence passes the old one before the reader connects. The gap names both timelines.
func TestFailoverToALaggingStandby(t *testing.T) {
	p, standby, crash := startLaggingStandby(t, 100, 200)
	crash()
	db := testenv.ConnectTo(t, standby)
	sourcetest.Exec(t, db, sourcetest.InsertItems, 10_001, 13_000, 2)
	p.AwaitItems(t, 10_001, 13_000, 2)
	testenv.WaitForSQL(t, db, outboxEmptySQL)
	p.RequireOneGap(t, "timeline 1")
	p.RequireOneGap(t, "timeline 2")
	p.Stop()
	testenv.WaitForSQL(t, db, outboxEmptySQL)
	// The stored cursor is of the new history now.
	next := follow(t, standby.URL())
	sourcetest.Exec(t, db, sourcetest.InsertItems, 13_001, 13_001, 2)
	next.AwaitItems(t, 13_001, 13_001, 2)
	if got := next.Reasons(); len(got) > 0 {
		t.Errorf("a restart reports %q", got)
	}
}

// TestRestoreUnderARunningReader proves that a restored copy of the server, with the same identity and
// timeline, is detected.
func TestRestoreUnderARunningReader(t *testing.T) {
	server := testenv.StartPostgres(t)
	db := install(t, server)
	p := follow(t, server.URL())
	sourcetest.Exec(t, db, sourcetest.InsertItems, 1, 100, 1)
	p.AwaitItems(t, 1, 100, 1)
	dir := testenv.Backup(t, server)
	sourcetest.Exec(t, db, sourcetest.InsertItems, 101, 3000, 1)
	p.AwaitItems(t, 101, 3000, 1)
	testenv.Crash(t, server)
	copied := testenv.StartFromBackup(t, dir, testenv.FreePort(t)) // the writers are here before the reader
	sourcetest.Exec(t, testenv.ConnectTo(t, copied), sourcetest.InsertItems, 10_001, 16_000, 2)
	if err := copied.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	db = testenv.ConnectTo(t, testenv.StartFromBackup(t, dir, testenv.Port(t, server)))
	p.AwaitItems(t, 10_001, 16_000, 2)
	testenv.WaitForSQL(t, db, outboxEmptySQL)
	p.RequireOneGap(t, "went back")
}

// dumpInto copies a database with pg_dump and psql.
func dumpInto(t testing.TB, from, to string) {
	t.Helper()
	dump, err := exec.Command("pg_dump", "--dbname", from).Output()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("psql", "--dbname", to, "-v", "ON_ERROR_STOP=1", "-q")
	cmd.Stdin = bytes.NewReader(dump)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// TestDumpAndRestore restores a dump in another server, and in another database of the same server.
// Changes in the outbox are delivered again, and all are deleted.
func TestDumpAndRestore(t *testing.T) {
	server := testenv.StartPostgres(t)
	db := install(t, server)
	for range 300 { // so that transaction ids are higher than the new server's
		sourcetest.Exec(t, db, "SELECT pg_current_xact_id()")
	}
	p := follow(t, server.URL())
	sourcetest.Exec(t, db, "INSERT INTO gateway.outbox_reader (name) VALUES ('other')") // keeps what was delivered
	sourcetest.Exec(t, db, sourcetest.InsertItems, 1, 50, 1)
	p.AwaitItems(t, 1, 50, 1)
	awaitCursor(t, db, "bool_or(name = 'gateway' AND low = 50) OVER ()")
	p.Stop()
	sourcetest.Exec(t, db, "DELETE FROM gateway.outbox_reader WHERE name = 'other'")
	sourcetest.Exec(t, db, sourcetest.InsertItems, 51, 60, 1)
	sourcetest.Exec(t, db, "CREATE DATABASE copy")
	other := testenv.StartPostgres(t)
	for name, url := range map[string]string{"server": other.URL(), "database": strings.Replace(server.URL(), "/postgres?", "/copy?", 1)} {
		t.Run(name, func(t *testing.T) {
			dumpInto(t, server.URL(), url)
			copied, err := pgx.Connect(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			defer copied.Close(t.Context())
			p := follow(t, url)
			sourcetest.Exec(t, copied, sourcetest.InsertItems, 61, 100, 2)
			p.AwaitItems(t, 51, 60, 1)
			p.AwaitItems(t, 61, 100, 2)
			testenv.WaitForSQL(t, copied, outboxEmptySQL)
			p.RequireOneGap(t, "another database")
			sourcetest.Exec(t, copied, sourcetest.InsertItems, 101, 110, 2)
			p.AwaitItems(t, 101, 110, 2)
			testenv.WaitForSQL(t, copied, outboxEmptySQL)
			p.RequireOneGap(t, "another database")
		})
	}
}

// TestRestartsReportNoGap is a test of all sources of rows.
func TestRestartsReportNoGap(t *testing.T) { kind.RestartsReportNoGap(t) }

// TestIdleSessionsAreNotEnded is a test of all sources of rows.
func TestIdleSessionsAreNotEnded(t *testing.T) { kind.IdleSessionsAreNotEnded(t) }

// TestSnapshotOfAnotherDatabase proves that an incomplete snapshot begins again in another database,
// because its transaction ids are of the former one. Completed tables are not read again.
func TestSnapshotOfAnotherDatabase(t *testing.T) {
	db := resetDatabase(t, sourcetest.ItemsSQL+"CREATE TABLE done (id int PRIMARY KEY); INSERT INTO done VALUES (1); INSERT INTO items SELECT n, 1 FROM generate_series(1, 100) n;", "items", "done")
	sourcetest.Exec(t, db, `INSERT INTO gateway.outbox_reader (name, history, snapshot) VALUES ('gateway', '1/2/3',
		'{"tables":{"public.items":{"since":"99999999","key":"[\"id\"] [\"integer\"]","after":["50"]},"public.done":{"since":"99999999","done":true}}}')`)
	sourcetest.Exec(t, db, `INSERT INTO gateway.outbox (xid, op, tbl, new) VALUES ('99999999', 'I', 'public.items', '{"id":101,"v":1}')`)
	st := start(t, withSnapshot("items", "done"), sourcetest.NewCollector())
	events := st.Await(t, 101)
	for _, e := range events {
		if mark, ok := e.Attr("snapshot"); ok && mark != "overlap" || e.Channel != "public.items" {
			t.Fatalf("%s: %s, mark %q", e.Channel, e.Data, mark)
		}
	}
	awaitCursor(t, db, "snapshot::text NOT LIKE '%after%' AND NOT EXISTS (SELECT FROM gateway.outbox)")
}

// TestOlderVersionHasNoHistory proves that a running reader detects a rewound sequence although cursors
// of version 1 store no history.
func TestOlderVersionHasNoHistory(t *testing.T) {
	db := resetDatabase(t, sourcetest.ItemsSQL, "items")
	old, err := os.ReadFile("../../gateway/pgtrigger/testdata/past/outbox-4.sql")
	if err != nil {
		t.Fatal(err)
	}
	sourcetest.Exec(t, db, `DROP SCHEMA gateway CASCADE; CREATE TABLE orders (id int PRIMARY KEY); CREATE SCHEMA IF NOT EXISTS shop; CREATE TABLE IF NOT EXISTS shop."Order Items" (id int PRIMARY KEY)`)
	sourcetest.Exec(t, db, string(old)+`CREATE TRIGGER "!gateway_outbox" AFTER INSERT OR UPDATE OR DELETE ON items FOR EACH ROW EXECUTE FUNCTION gateway.outbox_capture('public.items')`)
	p := follow(t, testenv.Postgres(t).URL())
	sourcetest.Exec(t, db, sourcetest.InsertItems, 1, 100, 1)
	p.AwaitItems(t, 1, 100, 1)
	testenv.WaitForSQL(t, db, cursorStoredSQL)
	testenv.WaitForSQL(t, db, outboxEmptySQL)
	sourcetest.Exec(t, db, "BEGIN; SELECT setval('gateway.outbox_id_seq', 1); INSERT INTO items SELECT n FROM generate_series(101, 301) n; COMMIT")
	p.AwaitItems(t, 101, 301, 1)
	testenv.WaitForSQL(t, db, outboxEmptySQL)
	p.RequireOneGap(t, "went back")
}
