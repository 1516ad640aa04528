package postgreswal

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// withholdFirst keeps the first batch in flight.
func withholdFirst(_ *event.Event, withheld int) bool { return withheld == 0 }

// TestFailoverToALaggingStandby proves that the slot that the standby does not have is a gap, which names both timelines, and that the
// table is whole after the snapshot.
func TestFailoverToALaggingStandby(t *testing.T) {
	follow := func(url string) *sourcetest.Follower {
		return kind.Follow(t, sourcetest.Settings{URL: url, Tables: []string{"items"}, Snapshot: "initial"})
	}
	var f *sourcetest.Follower
	s := sourcetest.StartLaggingStandby(t, func(db *pgx.Conn) {
		sourcetest.Exec(t, db, sourcetest.ItemsSQL)
		kind.Install(t, db, "items")
	}, func(url string) *sourcetest.Follower { f = follow(url); return f }, func(db *pgx.Conn) {
		kind.AwaitSnapshots(t, db, 1)
		kind.AwaitStored(t, db, f.Events())
	}, 100, 200)
	s.Promote()
	db := testenv.ConnectTo(t, s.Standby)
	sourcetest.Exec(t, db, sourcetest.InsertItems, 10_001, 13_000, 2)
	f.AwaitItems(t, 10_001, 13_000, 2)
	f.RequireOneGap(t, "timeline 1")
	f.RequireOneGap(t, "timeline 2")
	kind.AwaitSnapshots(t, db, 1)
	requireWhole(t, db, f)
	f.Stop()
	next := follow(s.Standby.URL())
	sourcetest.Exec(t, db, sourcetest.InsertItems, 13_001, 13_001, 2)
	next.AwaitItems(t, 13_001, 13_001, 2)
	if got := next.Reasons(); len(got) > 0 {
		t.Errorf("a restart reports %q", got)
	}
}

// requireWhole checks that a follower that applies all events has each row of the table as it is. Rows that the database has lost
// may be there, too.
func requireWhole(t *testing.T, db *pgx.Conn, f *sourcetest.Follower) {
	t.Helper()
	have := map[int]int{}
	for _, e := range f.Events() {
		c := sourcetest.ChangeOf(t, e)
		id := int(c.Row()["id"].(float64))
		if delete(have, id); c.New != nil {
			have[id] = int(c.New["v"].(float64))
		}
	}
	rows, err := db.Query(testenv.Context(t), "SELECT id, v FROM items")
	if err != nil {
		t.Fatal(err)
	}
	var id, v int
	if _, err := pgx.ForEachRow(rows, []any{&id, &v}, func() error {
		if got, ok := have[id]; !ok || got != v {
			t.Errorf("row %d is %d (%v), want %d", id, got, ok, v)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// TestRestoreUnderARunningReader proves that a copy of the server's files at the same address, which goes back, is a gap.
func TestRestoreUnderARunningReader(t *testing.T) {
	server := testenv.StartPostgres(t)
	db := testenv.ConnectTo(t, server)
	sourcetest.Exec(t, db, sourcetest.ItemsSQL)
	kind.Install(t, db, "items")
	f := kind.Follow(t, sourcetest.Settings{URL: server.URL(), Tables: []string{"items"}, Snapshot: "initial"})
	sourcetest.Exec(t, db, sourcetest.InsertItems, 1, 100, 1)
	f.AwaitItems(t, 1, 100, 1)
	kind.AwaitSnapshots(t, db, 1)
	kind.AwaitStored(t, db, f.Events())
	dir := testenv.Backup(t, server)
	sourcetest.Exec(t, db, sourcetest.InsertItems, 101, 3000, 1)
	f.AwaitItems(t, 101, 3000, 1)
	testenv.Crash(t, server)
	db = testenv.ConnectTo(t, testenv.StartFromBackup(t, dir, testenv.Port(t, server)))
	sourcetest.Exec(t, db, sourcetest.InsertItems, 10_001, 16_000, 2)
	f.AwaitItems(t, 10_001, 16_000, 2)
	f.RequireGap(t, "slot gateway") // pg_basebackup copies no slots
	kind.AwaitSnapshots(t, db, 1)
	requireWhole(t, db, f)
	f.Stop()
}

// TestFrozenNetwork proves that a connection that is open and silent is noticed within about 10 s, and that nothing is lost.
func TestFrozenNetwork(t *testing.T) {
	db := kind.Reset(t, sourcetest.ItemsSQL, "items")
	proxy, url := testenv.ProxyURL(t, testenv.Postgres(t).URL())
	st := start(t, func(o *Options) { o.URL = options.NewURL(url); o.Output = "change" }, sourcetest.NewCollector())
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (1)")
	st.Await(t, 1)
	thaw := proxy.Freeze()
	defer thaw()
	begin := time.Now()
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (2)")
	select {
	case err := <-st.Errs:
		t.Logf("noticed after %v: %v", time.Since(begin).Round(time.Second), err)
	case <-time.After(testenv.Wait):
		t.Fatal("the source does not notice that the connection is silent")
	}
	if got := sourcetest.OperationsOf(t, st.Await(t, 2)); got != "I1 I2" {
		t.Errorf("got %s", got)
	}
}

// TestEncodings proves that names, keys and rows of databases with other encodings arrive as UTF-8, and that a byte
// without a UTF-8 form stops nothing.
func TestEncodings(t *testing.T) {
	for _, e := range testenv.Encodings {
		t.Run(e.Name, func(t *testing.T) {
			kind.Remove(t, testenv.Connect(t))
			url := testenv.Database(t, "encoded", e.Name)
			db := testenv.ConnectURL(t, url+"&client_encoding=UTF8")
			table := pgtrigger.Table{Schema: "public", Name: e.Text}
			sourcetest.Exec(t, db, fmt.Sprintf(`CREATE TABLE %s (id int PRIMARY KEY, note text, raw text DEFAULT 'a\b'); CREATE VIEW plain AS SELECT * FROM %[1]s`, table))
			kind.Install(t, db, table.String())
			st := start(t, func(o *Options) { o.URL = options.NewURL(url) }, sourcetest.NewCollector())
			testenv.ExecRaw(t, url, e.Name, "INSERT INTO plain VALUES (1, 'x"+e.Odd+"y')")
			sourcetest.Exec(t, db, fmt.Sprintf(`INSERT INTO plain VALUES (2, repeat('%s', 4000))`, e.Text))
			events := st.Await(t, 2)
			for i, note := range []string{"x" + e.Reads + "y", strings.Repeat(e.Text, 4000)} {
				want := fmt.Sprintf(`{"operation" : "INSERT", "order" : {"id":%d,"note":"%s","raw":"a\\b"}}`, i+1, note)
				if got := string(events[i].Data); got != want {
					t.Errorf("got  %.200s\nwant %.200s", got, want)
				}
				if want := fmt.Sprintf("public.%s:%d", e.Text, i+1); events[i].Key != want {
					t.Errorf("key %s, want %s", events[i].Key, want)
				}
			}
			st.Stop()
			testenv.DropSlots(t, testenv.Connect(t)) // so that the database can be dropped
		})
	}
}

// TestStall proves that the source stops reading and shows as stalled while in_flight changes are not settled, and then goes on.
func TestStall(t *testing.T) {
	db := kind.Reset(t, sourcetest.ItemsSQL, "items")
	out := sourcetest.NewCollector()
	out.Withhold = func(_ *event.Event, withheld int) bool { return withheld < 100 }
	s := newSource(t, func(o *Options) { o.Output, o.InFlight = "change", 100 })
	s.stallAfter = 200 * time.Millisecond
	st := sourcetest.Start(t, s, out, out)
	sourcetest.Exec(t, db, "INSERT INTO items SELECT generate_series(1, 1000)")
	st.Await(t, 100)
	if reason := <-out.Stalled; !strings.Contains(reason, "100 events are in flight") {
		t.Errorf("stalled: %s", reason)
	}
	out.SettleWithheld(nil)
	for reason := "?"; reason != ""; {
		reason = <-out.Stalled
	}
	kind.AwaitStored(t, db, st.Await(t, 1000))
	st.Stop()
	if len(st.Errs) > 0 {
		t.Errorf("a run has ended: %v", <-st.Errs)
	}
}
