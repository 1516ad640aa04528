package postgresoutbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/event"
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

// TestPayloads proves that an order equals the payload of the old trigger, and that a change has all
// fields.
func TestPayloads(t *testing.T) {
	const ddl = `CREATE TABLE orders (id bigint PRIMARY KEY, amount numeric, note text, at timestamptz, raw bytea);`
	changes := func(t *testing.T, set func(*Options)) []*event.Event {
		db := resetDatabase(t, ddl, "orders")
		sourcetest.Exec(t, db, "SET timezone = 'Asia/Tokyo'; SET bytea_output = 'escape'")
		st := start(t, set, sourcetest.NewCollector())
		defer st.Stop()
		sourcetest.Exec(t, db, `INSERT INTO orders VALUES (9007199254740993, 100.50, 'é "x"', '2024-01-02 03:04:05.678901+00', '\x00ff')`)
		sourcetest.Exec(t, db, `UPDATE orders SET amount = 1.0`)
		sourcetest.Exec(t, db, `DELETE FROM orders`)
		sourcetest.Exec(t, db, `TRUNCATE orders`)
		return st.Await(t, 4)
	}
	const before = `{"id":9007199254740993,"amount":100.50,"note":"é \"x\"","at":"2024-01-02T03:04:05.678901+00:00","raw":"\\x00ff"}`
	after := strings.Replace(before, "100.50", "1.0", 1)
	events := changes(t, nil)
	for i, want := range []string{
		`{"operation" : "INSERT", "order" : ` + before + `}`, `{"operation" : "UPDATE", "order" : ` + after + `}`,
		`{"operation" : "DELETE", "order" : ` + after + `}`, `{"operation" : "TRUNCATE", "order" : null}`,
	} {
		e := events[i]
		if string(e.Data) != want {
			t.Errorf("got  %s\nwant %s", e.Data, want)
		}
		operation, _ := e.Attr("operation")
		if e.Channel != "public.orders" || e.Source != plugintest.Name || !strings.Contains(want, operation) || e.ID == "" {
			t.Errorf("%+v", e)
		}
		if wantKey := "public.orders:9007199254740993"; i < 3 && e.Key != wantKey || i == 3 && e.Key != "public.orders" {
			t.Errorf("key %q", e.Key)
		}
	}
	for i, e := range changes(t, asChange) {
		text := string(e.Data)
		start := fmt.Sprintf(`{"operation":"%s","table":"public.orders","id":%d,"at":"`, []string{"INSERT", "UPDATE", "DELETE", "TRUNCATE"}[i], i+1)
		end := []string{`"old":null,"new":` + before + `}`, `"old":` + before + `,"new":` + after + `}`, `"old":` + after + `,"new":null}`, `"old":null,"new":null}`}[i]
		if !strings.HasPrefix(text, start) || !strings.HasSuffix(text, end) || time.Since(sourcetest.ChangeOf(t, e).At) > time.Minute {
			t.Errorf("%s", text)
		}
	}
}

// TestTables covers names of every kind, keys of several columns, partitions, COPY and large rows; only
// the configured tables are emitted.
func TestTables(t *testing.T) {
	ddl := `DROP SCHEMA IF EXISTS "Shop X" CASCADE; CREATE SCHEMA "Shop X"; CREATE TABLE "Shop X"."Order ""Items""" (note text, "No" int, at date, PRIMARY KEY (at, "No"));
		CREATE TABLE parts (id int, region text, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
		CREATE TABLE parts_eu PARTITION OF parts FOR VALUES IN ('eu'); CREATE TABLE parts_us PARTITION OF parts FOR VALUES IN ('us');
		CREATE TABLE other (id int PRIMARY KEY); CREATE TABLE keyless (n int);`
	names := []string{`"Shop X"."Order ""Items"""`, "parts", "other"}
	db := resetDatabase(t, ddl, names...)
	sourcetest.Exec(t, db, outbox(t, names...).CreateSQL()) // once more changes nothing
	st := start(t, func(o *Options) { o.Tables = names[:2] }, sourcetest.NewCollector())
	sourcetest.Exec(t, db, `INSERT INTO other VALUES (1)`)
	sourcetest.Exec(t, db, `INSERT INTO "Shop X"."Order ""Items""" VALUES (repeat('é', 500000), 7, '2024-01-02')`)
	sourcetest.Exec(t, db, `COPY parts FROM PROGRAM 'printf "1\teu\n2\tus\n"'`)
	sourcetest.Exec(t, db, `UPDATE parts SET region = 'us' WHERE id = 1`) // it moves to another partition
	events := st.Await(t, 5)
	got := sourcetest.Join(events, func(e *event.Event) string { operation, _ := e.Attr("operation"); return operation + " " + e.Key + ";" })
	if want := `INSERT Shop X.Order "Items":2024-01-02,7; INSERT public.parts:eu,1; INSERT public.parts:us,2; DELETE public.parts:eu,1; INSERT public.parts:us,1; `; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if n := len(events[0].Data); n < 1_000_000 {
		t.Errorf("the large row has %d bytes", n)
	}
	_, err := db.Exec(t.Context(), outbox(t, "keyless").CreateSQL())
	if err == nil || !strings.Contains(err.Error(), `the table "public"."keyless" has no primary key`) {
		t.Errorf("a table without a key: %v", err)
	}
	if _, err = db.Exec(t.Context(), outbox(t, "nobody").CreateSQL()); err == nil || !strings.Contains(err.Error(), `there is no table "public"."nobody"`) {
		t.Errorf("no table: %v", err)
	}
	sourcetest.Exec(t, db, outbox(t, names...).DropSQL()+outbox(t, names...).DropSQL())
	sourcetest.Exec(t, db, `INSERT INTO parts VALUES (9, 'eu')`)
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

// TestNackedChangesAreRedelivered proves that nacked changes are delivered again, and acked ones are
// not, also by the next reader.
func TestNackedChangesAreRedelivered(t *testing.T) {
	db := resetDatabase(t, sourcetest.ItemsSQL, "items")
	out := sourcetest.NewCollector()
	failing := 3
	out.AckWith = func(e *event.Event) error {
		if e.Channel == "public.items" && strings.Contains(string(e.Data), `"id":2,`) && failing > 0 {
			failing--
			return errors.New("the sink is away")
		}
		return nil
	}
	st := start(t, nil, out)
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (1)")
	st.Await(t, 1)
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (2)")
	for range 3 {
		if err := <-st.Errs; !strings.Contains(err.Error(), "nacked: the sink is away") {
			t.Error(err)
		}
	}
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (3)")
	st.Await(t, 3)
	awaitCursor(t, db, "hi = 3")
	st.Stop()
	if st.Repeated() != 3 {
		t.Errorf("%d events came again, want 3", st.Repeated())
	}
	next := start(t, nil, sourcetest.NewCollector())
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (4)")
	if got := next.Await(t, 1); !strings.Contains(string(got[0].Data), `"id":4,`) {
		t.Errorf("the next reader gets %s", got[0].Data)
	}
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
