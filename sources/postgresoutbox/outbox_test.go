package postgresoutbox

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/inflight"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// TestConformance runs the suite of all sources during continuous inserts.
func TestConformance(t *testing.T) {
	db := resetDatabase(t, `CREATE TABLE ticks (id serial PRIMARY KEY);`, "ticks")
	writer := newSession(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if _, err := writer.Exec(context.Background(), "INSERT INTO ticks DEFAULT VALUES"); err != nil {
				t.Error(err)
				return
			}
			time.Sleep(5 * time.Millisecond) // the pace of a writer
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	url := testenv.Postgres(t).URL()
	plugintest.Source(t, plugintest.SourceHarness{
		Type:        Type(),
		Reachable:   func(o any) { o.(*Options).URL = options.NewURL(url) },
		Unreachable: func(o any) { o.(*Options).URL = options.NewURL("postgres://u:p@127.0.0.1:1/x") },
		Disconnect: func(t testing.TB) {
			sourcetest.Exec(t, db, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1", "eventgateway "+plugintest.Name)
		},
		TakeLock: func(t testing.TB) {
			sourcetest.Exec(t, db, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '% leader'")
		},
	})
}

// The tests of all sources of rows.
func TestPayloads(t *testing.T)                    { kind.Payloads(t) }
func TestTables(t *testing.T)                      { kind.Tables(t) }
func TestKeysAndBarriers(t *testing.T)             { kind.KeysAndBarriers(t) }
func TestRenamedKey(t *testing.T)                  { kind.RenamedKey(t) }
func TestNackedChangesAreRedelivered(t *testing.T) { kind.NackedChangesAreRedelivered(t) }
func TestSnapshot(t *testing.T)                    { kind.Snapshot(t) }
func TestOriginTimes(t *testing.T)                 { kind.OriginTimes(t, false) }
func TestSnapshotUnderWrites(t *testing.T)         { kind.SnapshotUnderWrites(t) }
func TestSnapshotOfTypesOfExtensions(t *testing.T) { kind.SnapshotOfTypesOfExtensions(t) }
func TestSnapshotOfARewrittenTable(t *testing.T)   { kind.SnapshotOfARewrittenTable(t) }
func TestSnapshotOfAnotherTable(t *testing.T)      { kind.SnapshotOfAnotherTable(t) }
func TestChaos(t *testing.T)                       { kind.Chaos(t) }

// TestTriggers proves that the SQL refuses a table that it cannot capture, and that it removes its triggers.
func TestTriggers(t *testing.T) {
	db := resetDatabase(t, `CREATE TABLE items (id int PRIMARY KEY); CREATE TABLE other (id int PRIMARY KEY); CREATE TABLE keyless (n int);`, "items", "other")
	_, err := db.Exec(t.Context(), outbox(t, "keyless").CreateSQL())
	if err == nil || !strings.Contains(err.Error(), `the table "public"."keyless" has no primary key`) {
		t.Errorf("a table without a key: %v", err)
	}
	if _, err = db.Exec(t.Context(), outbox(t, "nobody").CreateSQL()); err == nil || !strings.Contains(err.Error(), `there is no table "public"."nobody"`) {
		t.Errorf("no table: %v", err)
	}
	start(t, withTables("items"), sourcetest.NewCollector())
	sourcetest.Exec(t, db, `INSERT INTO other VALUES (1)`)
	sourcetest.Exec(t, db, outbox(t, "items").DropSQL()+outbox(t, "items").DropSQL())
	sourcetest.Exec(t, db, `INSERT INTO items VALUES (9)`)
	awaitCursor(t, db, "(SELECT string_agg(tbl, ',') = 'public.other' FROM gateway.outbox)") // which no reader has
}

// TestWriterNeedsNoRights in the outbox, and cannot write there by itself.
func TestWriterNeedsNoRights(t *testing.T) {
	db := resetDatabase(t, sourcetest.ItemsSQL+`DROP ROLE IF EXISTS clerk; CREATE ROLE clerk; GRANT USAGE ON SCHEMA public TO clerk; GRANT INSERT ON items TO clerk;`, "items")
	st := start(t, nil, sourcetest.NewCollector())
	sourcetest.Exec(t, db, `SET ROLE clerk; INSERT INTO items VALUES (1)`)
	st.Await(t, 1)
	if _, err := db.Exec(t.Context(), `INSERT INTO gateway.outbox (op, tbl) VALUES ('I', 'x')`); err == nil {
		t.Error("a clerk writes into the outbox")
	}
	sourcetest.Exec(t, db, `RESET ROLE; DROP OWNED BY clerk; DROP ROLE clerk`)
}

// TestSecondReaderOfOneNameFencesFirst proves that the later reader continues, and that the former gets
// an error.
func TestSecondReaderOfOneNameFencesFirst(t *testing.T) {
	db := resetDatabase(t, sourcetest.ItemsSQL, "items")
	first := start(t, nil, sourcetest.NewCollector())
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (1)")
	first.Await(t, 1)
	awaitCursor(t, db, "hi = 1")
	s := newSource(t, nil)
	r := newReader(t, s) // takes over, and does nothing
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (2)")
	if err := <-first.Errs; !errors.Is(err, errFenced) {
		t.Errorf("the former reader ends with %v", err)
	}
	first.Await(t, 2) // it has come back, with a token of its own
	awaitCursor(t, db, "hi = 2")
	r.cursor.high, r.dirty = 99, true
	if err := r.save(t.Context()); !errors.Is(err, errFenced) {
		t.Errorf("it could still store its cursor: %v", err)
	}
	awaitCursor(t, db, "hi = 2")
}

func newReader(t *testing.T, s *source) *reader {
	conn, pid, err := s.connect(t.Context(), s.opts.Wake == "bell")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	r := &reader{s: s, conn: conn, pid: pid, inFlight: inflight.NewPositionTracker(batchPosition{}), keys: map[string]*tableKey{}}
	if err := r.begin(t.Context(), sourcetest.NewCollector()); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestNotificationWakesSleepingReader proves that a writer wakes a sleeping reader, and does not notify
// an active one.
func TestNotificationWakesSleepingReader(t *testing.T) {
	db := resetDatabase(t, sourcetest.ItemsSQL, "items")
	st := start(t, nil, sourcetest.NewCollector())
	asleep := func() {
		t.Helper()
		testenv.WaitForSQL(t, db, "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND classid = 26470 AND granted")
	}
	var slowest time.Duration
	for i := range 20 {
		asleep()
		begin := time.Now()
		sourcetest.Exec(t, db, "INSERT INTO items VALUES ($1)", i)
		st.Await(t, i+1)
		slowest = max(slowest, time.Since(begin))
	}
	if slowest > maxSleep/2 { // else it has looked by itself
		t.Errorf("it took %v to wake", slowest)
	}
	t.Logf("awake after %v at most", slowest)
}
