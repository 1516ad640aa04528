package postgreswal

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// writeMegabytes writes into a table that is not published.
func writeMegabytes(t *testing.T, db *pgx.Conn, table string, n int) {
	t.Helper()
	sourcetest.Exec(t, db, fmt.Sprintf("INSERT INTO %s SELECT repeat(md5(n::text), 32) FROM generate_series(1, 1024 * $1::int) n", table), n)
}

// awaitConfirmed waits until the slot is confirmed up to what has been written until now, less than 2 MiB.
func awaitConfirmed(t *testing.T, db *pgx.Conn) {
	t.Helper()
	var now string
	if err := db.QueryRow(testenv.Context(t), "SELECT pg_current_wal_lsn()::text").Scan(&now); err != nil {
		t.Fatal(err)
	}
	testenv.WaitForSQL(t, db, "SELECT coalesce(bool_or(confirmed_flush_lsn + 2097152 >= $1::text::pg_lsn), false) FROM pg_replication_slots WHERE slot_name = 'gateway'", now)
}

// TestQuietTablesHoldNoWAL proves that the slot is confirmed while other tables, and other databases, are written, and the tables of
// the publication are not. A restart afterwards repeats nothing.
func TestQuietTablesHoldNoWAL(t *testing.T) {
	db := kind.Reset(t, sourcetest.ItemsSQL+"CREATE TABLE busy (note text);", "items")
	other := testenv.ConnectURL(t, testenv.Database(t, "other", "UTF8"))
	sourcetest.Exec(t, other, "CREATE TABLE busy (note text)")
	st := start(t, nil, sourcetest.NewCollector())
	for range 3 {
		writeMegabytes(t, db, "busy", 5)
		awaitConfirmed(t, db)
		writeMegabytes(t, other, "busy", 5)
		awaitConfirmed(t, db)
	}
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (1)")
	writeMegabytes(t, db, "busy", 5)
	st.Await(t, 1)
	awaitConfirmed(t, db)
	st.Stop()
	st = start(t, nil, st.Collector)
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (2)")
	st.Await(t, 2)
	if st.Repeated() > 0 {
		t.Errorf("%d events came again", st.Repeated())
	}
}

// TestUnackedChangeHoldsWAL proves that the slot is not confirmed beyond a change that no sink has taken, while later ones are emitted.
func TestUnackedChangeHoldsWAL(t *testing.T) {
	db := kind.Reset(t, sourcetest.ItemsSQL+"CREATE TABLE busy (note text);", "items")
	out := sourcetest.NewCollector()
	out.Withhold = withholdFirst
	st := start(t, asChange, out)
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (1)")
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (2)")
	writeMegabytes(t, db, "busy", 3)
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (3)")
	events := st.Await(t, 3)
	first, _ := positionOf(events[0])
	var confirmed string
	if err := db.QueryRow(t.Context(), "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE confirmed_flush_lsn > $1::text::pg_lsn", lsnText(first.lsn)).Scan(&confirmed); err != pgx.ErrNoRows {
		t.Errorf("confirmed at %s, the change that is not acked is at %s; %v", confirmed, lsnText(first.lsn), err)
	}
	st.Stop() // as after a kill, the change that was not acked comes again, and so do those after it
	again := start(t, asChange, sourcetest.NewCollector())
	if got := sourcetest.OperationsOf(t, again.Await(t, 3)); got != "I1 I2 I3" {
		t.Errorf("after a restart: %s", got)
	}
	awaitConfirmed(t, db)
}

// TestLostSlots proves that each way to lose what a slot has kept is a gap with its reason, and that the table is whole
// after the snapshot that follows.
func TestLostSlots(t *testing.T) {
	const slotSQL = "SELECT pg_create_logical_replication_slot('gateway', 'pgoutput')"
	for name, c := range map[string]struct {
		lose func(t *testing.T, db *pgx.Conn)
		gap  string
	}{
		"dropped": {func(t *testing.T, db *pgx.Conn) { sourcetest.Exec(t, db, "SELECT pg_drop_replication_slot('gateway')") }, "slot gateway is gone"},
		"made anew": {func(t *testing.T, db *pgx.Conn) {
			sourcetest.Exec(t, db, "SELECT pg_drop_replication_slot('gateway')")
			sourcetest.Exec(t, db, slotSQL)
		}, "made anew or moved"},
		"moved": {func(t *testing.T, db *pgx.Conn) {
			sourcetest.Exec(t, db, "SELECT pg_replication_slot_advance('gateway', pg_current_wal_lsn())")
		}, "made anew or moved"},
		"WAL removed": {func(t *testing.T, db *pgx.Conn) {
			writeMegabytes(t, db, "busy", 30)
			sourcetest.Exec(t, db, "CHECKPOINT")
			testenv.WaitForSQL(t, db, "SELECT wal_status = 'lost' FROM pg_replication_slots")
		}, "has removed WAL"},
	} {
		t.Run(name, func(t *testing.T) {
			server := testenv.StartPostgres(t, "-c", "max_slot_wal_keep_size=4MB", "-c", "max_wal_size=8MB")
			db := testenv.ConnectTo(t, server)
			sourcetest.Exec(t, db, sourcetest.ItemsSQL+"CREATE TABLE busy (note text)")
			kind.Install(t, db, "items")
			set := sourcetest.Settings{URL: server.URL(), Tables: []string{"items"}, Snapshot: "initial"}
			before := kind.Follow(t, set)
			sourcetest.Exec(t, db, sourcetest.InsertItems, 1, 100, 1)
			before.AwaitItems(t, 1, 100, 1)
			kind.AwaitSnapshots(t, db, 1)
			kind.AwaitStored(t, db, before.Events())
			before.Stop()
			sourcetest.Exec(t, db, sourcetest.InsertItems, 101, 200, 1)
			testenv.WaitForSQL(t, db, "SELECT NOT active FROM pg_replication_slots") // the server has noticed that the source is gone
			c.lose(t, db)
			after := kind.Follow(t, set)
			after.AwaitItems(t, 1, 200, 1)
			kind.AwaitSnapshots(t, db, 1)
			sourcetest.Exec(t, db, sourcetest.InsertItems, 201, 300, 1)
			after.AwaitItems(t, 201, 300, 1)
			after.RequireOneGap(t, c.gap)
			kind.AwaitStored(t, db, after.Events())
			requireWhole(t, db, after)
			after.Stop()
			last := kind.Follow(t, set)
			sourcetest.Exec(t, db, sourcetest.InsertItems, 301, 301, 1)
			last.AwaitItems(t, 301, 301, 1)
			last.Stop()
			if got := append(last.Reasons(), before.Reasons()...); len(got) > 0 {
				t.Errorf("gaps before and after: %q", got)
			}
		})
	}
}

// TestSlotOfAnother proves that a slot of another plugin, database or program is not used.
func TestSlotOfAnother(t *testing.T) {
	db := kind.Reset(t, sourcetest.ItemsSQL, "items")
	testenv.Database(t, "other", "UTF8")
	sourcetest.Exec(t, db, "SELECT pg_create_logical_replication_slot('test', 'test_decoding')")
	other := testenv.ConnectURL(t, strings.Replace(testenv.Postgres(t).URL(), "/postgres?", "/other?", 1))
	sourcetest.Exec(t, other, "SELECT pg_create_logical_replication_slot('theirs', 'pgoutput')")
	for slot, want := range map[string]string{"test": "not of the plugin pgoutput", "theirs": "belongs to the database other"} {
		s := newSource(t, func(o *Options) { o.Slot = slot })
		if err := s.Run(testenv.Context(t), sourcetest.NewCollector()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("slot %s: %v", slot, err)
		}
	}
	reader, err := pgconn.Connect(testenv.Context(t), testenv.Postgres(t).URL()+"&replication=database") // it has no name
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close(testenv.Context(t))
	if err := pglogrepl.StartReplication(testenv.Context(t), reader, "gateway", 0, pglogrepl.StartReplicationOptions{PluginArgs: []string{"proto_version '1'", "publication_names 'gateway'"}}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the first has not ended the other program
		if err := newSource(t, nil).Run(testenv.Context(t), sourcetest.NewCollector()); err == nil || !strings.Contains(err.Error(), `is read by the program ""`) {
			t.Errorf("slot gateway: %v", err)
		}
	}
	reader.Close(testenv.Context(t))
	testenv.WaitForSQL(t, db, "SELECT NOT bool_or(active) FROM pg_replication_slots")
	testenv.DropSlots(t, db)
	other.Close(testenv.Context(t))
}

// TestNotInstalled proves that each missing part is named, with the command that makes it.
func TestNotInstalled(t *testing.T) {
	run := func() string {
		return fmt.Sprint(newSource(t, func(o *Options) { o.URL = options.NewURL(testenv.Postgres(t).URL()) }).Run(testenv.Context(t), sourcetest.NewCollector()))
	}
	db := kind.Reset(t, sourcetest.ItemsSQL, "items")
	testenv.DropSlots(t, db)
	if got := run(); !strings.Contains(got, "there is no publication gateway in this database: run gateway sql --mode wal") {
		t.Error(got)
	}
	kind.Remove(t, db)
	if got := run(); !strings.Contains(got, "there is no table gateway.wal_reader in this database: run gateway sql --mode wal") {
		t.Error(got)
	}
}
