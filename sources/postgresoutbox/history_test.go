package postgresoutbox

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
)

// past is a reader and the gaps that it reports, for tests in which a database goes back.
type past struct {
	*started
	mu   sync.Mutex
	gaps []string
}

// follow starts a reader of the server at url.
func follow(t testing.TB, url string) *past {
	t.Helper()
	p := &past{}
	out := newCollector()
	out.gap = func(reason string) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.gaps = append(p.gaps, reason)
	}
	s := newSource(t, at(url))
	s.retainEvery, s.measureEvery = 50*time.Millisecond, 100*time.Millisecond
	p.started = startSource(t, s, out)
	return p
}

func at(url string) func(*Options) {
	return func(o *Options) { o.Output, o.URL = "change", options.NewURL(url) }
}

// reported returns the gaps.
func (p *past) reported() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.gaps...)
}

// awaitItems waits until changes of the rows from..to have arrived, in any order. Each must have
// arrived in the version v.
func (p *past) awaitItems(t testing.TB, from, to, v int) {
	t.Helper()
	var ids []int
	for id := from; id <= to; id++ {
		ids = append(ids, id)
	}
	p.awaitRows(t, ids, v)
}

func (p *past) awaitRows(t testing.TB, ids []int, v int) {
	t.Helper()
	deadline := time.After(testenv.Wait)
	missing, done := map[int]bool{}, 0
	for _, id := range ids {
		missing[id] = true
	}
	for {
		p.collector.mu.Lock()
		events := p.collector.events
		p.collector.mu.Unlock()
		for _, e := range events[done:] {
			if row := changeOf(t, e).New; row != nil && row["v"] == float64(v) {
				delete(missing, int(row["id"].(float64)))
			}
		}
		done = len(events)
		if len(missing) == 0 {
			return
		}
		select {
		case <-p.arrived:
		case <-deadline:
			t.Fatalf("%d of %d rows are missing; gaps: %q; %s", len(missing), len(ids), p.reported(), lastError(p.started))
		}
	}
}

func lastError(s *started) (text string) {
	for {
		select {
		case err := <-s.errs:
			text = err.Error()
		default:
			return text
		}
	}
}

// wantGap looks whether exactly one gap was reported whose reason contains a text.
func (p *past) wantGap(t testing.TB, text string) {
	t.Helper()
	if got := p.reported(); len(got) != 1 || !strings.Contains(got[0], text) {
		t.Errorf("gaps %q, want one with %q", got, text)
	}
}

// install makes the tables of a server of the test's own.
func install(t testing.TB, s *testenv.PostgresServer) *pgx.Conn {
	t.Helper()
	db := testenv.ConnectTo(t, s)
	run(t, db, items+outbox(t, "items").CreateSQL())
	return db
}

const (
	insertItems = "INSERT INTO items SELECT n, $3::int FROM generate_series($1::int, $2::int) n"
	emptied     = "SELECT NOT EXISTS (SELECT FROM gateway.outbox)"
	storedAll   = "SELECT count(*) = 1 AND bool_and(hi = (SELECT last_value FROM gateway.outbox_id_seq) AND low = hi) FROM gateway.outbox_reader"
)

// lag is a primary, and a standby that has not got what was delivered last.
func lag(t testing.TB, before, lost int) (p *past, standby *testenv.PostgresServer, crash func()) {
	t.Helper()
	primary := testenv.StartPostgres(t)
	db := install(t, primary)
	dir := testenv.Backup(t, primary, "-R")
	standby = testenv.StartFromBackup(t, dir, testenv.FreePort(t))
	p = follow(t, fmt.Sprintf("postgres://postgres@127.0.0.1:%d,127.0.0.1:%d/postgres?sslmode=disable&target_session_attrs=read-write",
		testenv.Port(t, primary), testenv.Port(t, standby)))
	run(t, db, insertItems, 1, before, 1)
	p.awaitItems(t, 1, before, 1)
	testenv.WaitForSQL(t, db, storedAll)
	replica := testenv.ConnectTo(t, standby)
	var position string
	if err := db.QueryRow(t.Context(), "SELECT pg_current_wal_flush_lsn()::text").Scan(&position); err != nil {
		t.Fatal(err)
	}
	testenv.WaitForSQL(t, replica, "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", position)
	run(t, replica, "ALTER SYSTEM SET primary_conninfo = ''")
	run(t, replica, "SELECT pg_reload_conf()")
	testenv.WaitForSQL(t, replica, "SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)")
	run(t, db, insertItems, before+1, before+lost, 1)
	p.awaitItems(t, before+1, before+lost, 1)
	return p, standby, func() {
		done := keepWriting(db, 5_001)
		testenv.Crash(t, primary)
		<-done
		run(t, replica, "SELECT pg_promote(true)")
	}
}

// keepWriting inserts rows, one by one, until the server ends.
func keepWriting(db *pgx.Conn, from int) (done chan struct{}) {
	begun := make(chan struct{})
	done = make(chan struct{})
	go func() {
		defer close(done)
		for id := from; ; id++ {
			if _, err := db.Exec(context.Background(), insertItems, id, id, 1); err != nil {
				return
			}
			if id == from+10 {
				close(begun)
			}
		}
	}()
	select {
	case <-begun:
	case <-done:
	}
	return done
}

// TestFailoverToALaggingStandby: what the new primary has all arrives, although its sequence passes
// that of the old one before the reader looks, and the reader says from where to where.
func TestFailoverToALaggingStandby(t *testing.T) {
	p, standby, crash := lag(t, 100, 200)
	crash()
	db := testenv.ConnectTo(t, standby)
	run(t, db, insertItems, 10_001, 13_000, 2)
	p.awaitItems(t, 10_001, 13_000, 2)
	testenv.WaitForSQL(t, db, emptied)
	p.wantGap(t, "timeline 1")
	p.wantGap(t, "timeline 2")
	p.stop()
	testenv.WaitForSQL(t, db, emptied)
	// The stored cursor is of the new history now.
	next := follow(t, standby.URL())
	run(t, db, insertItems, 13_001, 13_001, 2)
	next.awaitItems(t, 13_001, 13_001, 2)
	if got := next.reported(); len(got) > 0 {
		t.Errorf("a restart reports %q", got)
	}
}

// TestRestoreUnderARunningReader: a copy of the server's files takes the server's place. It has the
// same identity and the same timeline.
func TestRestoreUnderARunningReader(t *testing.T) {
	server := testenv.StartPostgres(t)
	db := install(t, server)
	p := follow(t, server.URL())
	run(t, db, insertItems, 1, 100, 1)
	p.awaitItems(t, 1, 100, 1)
	dir := testenv.Backup(t, server)
	run(t, db, insertItems, 101, 3000, 1)
	p.awaitItems(t, 101, 3000, 1)
	testenv.Crash(t, server)
	copied := testenv.StartFromBackup(t, dir, testenv.FreePort(t)) // the writers are here before the reader
	run(t, testenv.ConnectTo(t, copied), insertItems, 10_001, 16_000, 2)
	if err := copied.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	db = testenv.ConnectTo(t, testenv.StartFromBackup(t, dir, testenv.Port(t, server)))
	p.awaitItems(t, 10_001, 16_000, 2)
	testenv.WaitForSQL(t, db, emptied)
	p.wantGap(t, "went back")
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

// TestDumpAndRestore into another server, and into another database of the same one: the change that was
// not deleted comes once more, what was not read comes, and all is deleted.
func TestDumpAndRestore(t *testing.T) {
	server := testenv.StartPostgres(t)
	db := install(t, server)
	for range 300 { // so that transaction ids are higher than the new server's
		run(t, db, "SELECT pg_current_xact_id()")
	}
	p := follow(t, server.URL())
	run(t, db, "INSERT INTO gateway.outbox_reader (name) VALUES ('other')") // keeps what was delivered
	run(t, db, insertItems, 1, 50, 1)
	p.awaitItems(t, 1, 50, 1)
	stored(t, db, "bool_or(name = 'gateway' AND low = 50) OVER ()")
	p.stop()
	run(t, db, "DELETE FROM gateway.outbox_reader WHERE name = 'other'")
	run(t, db, insertItems, 51, 60, 1)
	run(t, db, "CREATE DATABASE copy")
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
			run(t, copied, insertItems, 61, 100, 2)
			p.awaitItems(t, 51, 60, 1)
			p.awaitItems(t, 61, 100, 2)
			testenv.WaitForSQL(t, copied, emptied)
			p.wantGap(t, "another database")
			run(t, copied, insertItems, 101, 110, 2)
			p.awaitItems(t, 101, 110, 2)
			testenv.WaitForSQL(t, copied, emptied)
			p.wantGap(t, "another database")
		})
	}
}

// TestNoFalseMismatch: sessions that end, gateways that restart, a server that stops, and one that crashes
// have the same history.
func TestNoFalseMismatch(t *testing.T) {
	server := testenv.StartPostgres(t, "-c", "synchronous_commit=on") // what is visible survives a crash
	db := install(t, server)
	p := follow(t, server.URL())
	next := 1
	write := func() {
		t.Helper()
		run(t, db, insertItems, next, next+99, 1)
		p.awaitItems(t, next, next+99, 1)
		next += 100
	}
	write()
	for range 5 {
		run(t, db, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'eventgateway%'")
		write()
	}
	before := p
	p.stop()
	p = follow(t, server.URL())
	write()
	for _, end := range []func(){func() { testenv.Crash(t, server) }, func() {
		if err := server.Stop(testenv.Context(t)); err != nil {
			t.Fatal(err)
		}
	}} {
		write()
		end()
		if err := server.Start(testenv.Context(t)); err != nil {
			t.Fatal(err)
		}
		db = testenv.ConnectTo(t, server)
		write()
	}
	testenv.WaitForSQL(t, db, emptied)
	if got := append(before.reported(), p.reported()...); len(got) > 0 {
		t.Errorf("gaps %q", got)
	}
}

// TestSnapshotOfAnotherDatabase begins again where it was not done: its transaction ids are of
// the other database. What is done does not come again.
func TestSnapshotOfAnotherDatabase(t *testing.T) {
	db := fresh(t, items+"CREATE TABLE done (id int PRIMARY KEY); INSERT INTO done VALUES (1); INSERT INTO items SELECT n, 1 FROM generate_series(1, 100) n;", "items", "done")
	run(t, db, `INSERT INTO gateway.outbox_reader (name, history, snapshot) VALUES ('gateway', '1/2/3',
		'{"tables":{"public.items":{"since":"99999999","key":"[\"id\"] [\"integer\"]","after":["50"]},"public.done":{"since":"99999999","done":true}}}')`)
	run(t, db, `INSERT INTO gateway.outbox (xid, op, tbl, new) VALUES ('99999999', 'I', 'public.items', '{"id":101,"v":1}')`)
	st := start(t, initial("items", "done"), newCollector())
	events := st.await(t, 101)
	for _, e := range events {
		if mark, ok := e.Attr("snapshot"); ok && mark != "overlap" || e.Channel != "public.items" {
			t.Fatalf("%s: %s, mark %q", e.Channel, e.Data, mark)
		}
	}
	stored(t, db, "snapshot::text NOT LIKE '%after%' AND NOT EXISTS (SELECT FROM gateway.outbox)")
}

// TestOlderVersionHasNoHistory: the cursors of version 1 lack its columns. What the process
// remembers is compared all the same.
func TestOlderVersionHasNoHistory(t *testing.T) {
	db := fresh(t, items, "items")
	old, err := os.ReadFile("../../gateway/pgtrigger/testdata/past/outbox-4.sql")
	if err != nil {
		t.Fatal(err)
	}
	run(t, db, `DROP SCHEMA gateway CASCADE; CREATE TABLE orders (id int PRIMARY KEY); CREATE SCHEMA IF NOT EXISTS shop; CREATE TABLE IF NOT EXISTS shop."Order Items" (id int PRIMARY KEY)`)
	run(t, db, string(old)+`CREATE TRIGGER "!gateway_outbox" AFTER INSERT OR UPDATE OR DELETE ON items FOR EACH ROW EXECUTE FUNCTION gateway.outbox_capture('public.items')`)
	p := follow(t, testenv.Postgres(t).URL())
	run(t, db, insertItems, 1, 100, 1)
	p.awaitItems(t, 1, 100, 1)
	testenv.WaitForSQL(t, db, storedAll)
	testenv.WaitForSQL(t, db, emptied)
	run(t, db, "BEGIN; SELECT setval('gateway.outbox_id_seq', 1); INSERT INTO items SELECT n FROM generate_series(101, 301) n; COMMIT")
	p.awaitItems(t, 101, 301, 1)
	testenv.WaitForSQL(t, db, emptied)
	p.wantGap(t, "went back")
}
