package postgreswal

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// kind has the tests that all sources of rows run.
var kind = sourcetest.Kind{
	Install: func(t testing.TB, db *pgx.Conn, tables ...string) {
		t.Helper()
		sourcetest.Exec(t, db, published(t, tables...).CreateSQL())
		sourcetest.Exec(t, db, pgtrigger.SlotSQL("gateway"))
	},
	Remove: func(t testing.TB, db *pgx.Conn) {
		t.Helper()
		testenv.DropSlots(t, db)
		sourcetest.Exec(t, db, "DROP SCHEMA IF EXISTS gateway CASCADE")
	},
	Build: func(t testing.TB, set sourcetest.Settings) plugin.Source {
		t.Helper()
		return newSource(t, func(o *Options) {
			o.Tables = set.Tables
			if set.URL != "" {
				o.URL = options.NewURL(set.URL)
			}
			if set.Output != "" {
				o.Output = set.Output
			}
			if set.Snapshot != "" {
				o.Snapshot = set.Snapshot
			}
		})
	},
	AwaitStored: func(t testing.TB, db *pgx.Conn, events []*event.Event) {
		t.Helper()
		last := position{}
		for _, e := range events {
			if at, ok := positionOf(e); ok && at.compare(last) > 0 {
				last = at
			}
		}
		testenv.WaitForSQL(t, db, "SELECT (commit, index) >= ($1::text::pg_lsn, $2::bigint) FROM gateway.wal_reader", lsnText(last.lsn), last.index)
	},
	SnapshotsSQL: `SELECT count(*) FROM gateway.wal_reader r, json_each(r.snapshot->'tables') t WHERE (t.value->>'done')::bool`,
}

// positionOf returns the position of a change; false for a row of a snapshot.
func positionOf(e *event.Event) (at position, ok bool) {
	if sourcetest.Operation(e) == "READ" {
		return at, false
	}
	_, err := fmt.Sscanf(e.ID, "%x-%d-", &at.lsn, &at.index)
	return at, err == nil
}

func published(t testing.TB, tables ...string) pgtrigger.WAL {
	t.Helper()
	w := pgtrigger.WAL{Publication: "gateway"}
	for _, name := range tables {
		table, err := pgtrigger.ParseTable(name)
		if err != nil {
			t.Fatal(err)
		}
		w.Tables = append(w.Tables, table)
	}
	return w
}

func newSource(t testing.TB, set func(*Options)) *source {
	t.Helper()
	o := Type().Defaults().(*Options)
	o.URL = options.NewURL(testenv.Postgres(t).URL())
	if set != nil {
		set(o)
	}
	s, err := Type().Build(o, plugintest.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	return s.(*source)
}

// start runs a source until the test ends.
func start(t testing.TB, set func(*Options), out *sourcetest.Collector) *sourcetest.Running {
	t.Helper()
	return sourcetest.Start(t, newSource(t, set), out, out)
}

func asChange(o *Options) { o.Output = "change" }

// setIdentity sets the replica identity of a table.
func setIdentity(t testing.TB, db *pgx.Conn, table, identity string) {
	t.Helper()
	sourcetest.Exec(t, db, fmt.Sprintf("ALTER TABLE %s REPLICA IDENTITY %s", table, identity))
}

// attrs returns the values of attributes, "" for those that an event does not have.
func attrs(e *event.Event, names ...string) (values []string) {
	for _, name := range names {
		value, _ := e.Attr(name)
		values = append(values, value)
	}
	return values
}
