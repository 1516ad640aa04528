package postgreswal

import (
	"flag"
	"strings"
	"testing"

	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// runWAL runs gateway wal with arguments, and returns the words that it prints.
func runWAL(t testing.TB, args ...string) (string, error) {
	t.Helper()
	var out strings.Builder
	f := flag.NewFlagSet("wal", flag.ContinueOnError)
	run := Type().Commands()[0].New(f)
	if err := f.Parse(args[1:]); err != nil { // package flag accepts flags before arguments only, and the command line also after them
		return "", err
	}
	err := run(testenv.Context(t), plugin.Invocation{Args: append(args[:1:1], f.Args()...), Out: &out, Lookup: func(string) (string, bool, error) { return testenv.Postgres(t).URL(), true, nil }})
	return strings.Join(strings.Fields(out.String()), " "), err
}

// TestCommand proves that slots are listed with what reads them and how far, and that only a slot of a gateway that is not read is
// removed, with its position.
func TestCommand(t *testing.T) {
	db := kind.Reset(t, sourcetest.ItemsSQL, "items")
	list := func(wants ...string) {
		t.Helper()
		out, err := runWAL(t, "list")
		for _, want := range wants {
			if err != nil || !strings.Contains(out, want) {
				t.Errorf("list: want %s in %s, %v", want, out, err)
			}
		}
	}
	refuse := func(want string, args ...string) {
		t.Helper()
		if _, err := runWAL(t, args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %s", args, err, want)
		}
	}
	refuse("gateway wal list", "drop")
	refuse("gateway wal list", "list", "x")
	refuse("--to, --table and --apply are for gateway wal move", "list", "--apply")
	refuse("--table is required", "move", "--to", "wal")
	refuse(`--to: unknown target "outbax" (did you mean "outbox"?)`, "move", "--to", "outbax", "--table", "items")
	refuse(`there is no slot "nobody": gateway wal list shows all`, "drop", "nobody")
	list("gateway inactive ", " reserved none - -", "max_slot_wal_keep_size is -1: the server keeps the WAL of a slot until its disk is full")
	refuse("no gateway has read the slot gateway in this database: if it is of no use to other programs, remove it by SELECT pg_drop_replication_slot('gateway')", "drop", "gateway")

	if sql, err := runWAL(t, "move", "--to", "outbox", "--table", "items"); err != nil || !strings.HasPrefix(sql, "BEGIN; ") || !strings.Contains(sql, `LOCK TABLE "public"."items" IN SHARE ROW EXCLUSIVE MODE`) {
		t.Errorf("move: %s, %v", sql, err)
	}
	refuse("no source has read the slot gateway", "move", "--to", "outbox", "--table", "items", "--apply")

	out := sourcetest.NewCollector()
	st := start(t, nil, out)
	sourcetest.Exec(t, db, `INSERT INTO items VALUES (1), (2)`)
	events := st.Await(t, 2)
	kind.AwaitStored(t, db, events)
	list("gateway active, pid ", " s ago eventgateway ")
	refuse("the slot gateway is active: a program, eventgateway ", "drop", "gateway")
	st.Stop()
	testenv.WaitForSQL(t, db, "SELECT NOT active FROM pg_replication_slots WHERE slot_name = 'gateway'")
	list("gateway inactive ", " reserved 0/")
	removed, err := runWAL(t, "drop", "gateway")
	if err != nil || !strings.HasPrefix(removed, "the slot gateway is removed, with its position ") || !strings.Contains(removed, "its reader does not get the changes after it, in ") {
		t.Errorf("drop: %s, %v", removed, err)
	}
	var left int
	if err := db.QueryRow(testenv.Context(t), "SELECT (SELECT count(*) FROM pg_replication_slots) + (SELECT count(*) FROM gateway.wal_reader)").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d slots and positions are left, %v", left, err)
	}

	sourcetest.Exec(t, db, `INSERT INTO gateway.wal_reader (slot, commit, index, saved) VALUES ('former', '0/1234', 5, now() - interval '3 hours')`)
	list("former MISSING - - - 0/1234, change 5 3 hours ago -")
	if out, err := runWAL(t, "drop", "former"); err != nil || out != "the position of former is removed; the slot was missing already" {
		t.Errorf("drop: %s, %v", out, err)
	}
	sourcetest.Exec(t, db, `DROP SCHEMA gateway CASCADE`)
	sourcetest.Exec(t, db, pgtrigger.SlotSQL("gateway"))
	list("gateway inactive ")
}
