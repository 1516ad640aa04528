package postgresoutbox

import (
	"strconv"
	"testing"
	"time"

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

// resetDatabase recreates the database: no outbox, and the tables of ddl, with triggers on the named
// ones.
func resetDatabase(t testing.TB, ddl string, tables ...string) *pgx.Conn {
	t.Helper()
	return kind.Reset(t, ddl, tables...)
}

// kind has the tests that all sources of rows run.
var kind = sourcetest.Kind{
	Install: func(t testing.TB, db *pgx.Conn, tables ...string) {
		t.Helper()
		sourcetest.Exec(t, db, outbox(t, tables...).CreateSQL())
	},
	Remove: func(t testing.TB, db *pgx.Conn) {
		t.Helper()
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
	AwaitStored: func(t testing.TB, db *pgx.Conn, _ []*event.Event) {
		t.Helper()
		awaitCursor(t, db, "gaps = '{}' AND hi = (SELECT last_value FROM gateway.outbox_id_seq) AND NOT EXISTS (SELECT FROM gateway.outbox)")
	},
	SnapshotsSQL: `SELECT count(*) FROM gateway.outbox_reader r, json_each(r.snapshot->'tables') t WHERE (t.value->>'done')::bool`,
}

func outbox(t testing.TB, names ...string) (o pgtrigger.Outbox) {
	t.Helper()
	for _, name := range names {
		table, err := pgtrigger.ParseTable(name)
		if err != nil {
			t.Fatal(err)
		}
		o.Tables = append(o.Tables, table)
	}
	return o
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

// runningSource is a source that runs repeatedly, as in the router, until Stop.
type runningSource struct {
	*sourcetest.Running
	source *source
}

func start(t testing.TB, set func(*Options), out *sourcetest.Collector) *runningSource {
	t.Helper()
	return startSource(t, newSource(t, set), out)
}

func startSource(t testing.TB, s *source, out *sourcetest.Collector) *runningSource {
	t.Helper()
	return startOutput(t, s, out, out)
}

// startOutput runs a source with an output that collects in c.
func startOutput(t testing.TB, s *source, c *sourcetest.Collector, out plugin.Output) *runningSource {
	t.Helper()
	return &runningSource{sourcetest.Start(t, s, c, out), s}
}

// awaitCursor waits until the stored cursor fulfills a condition.
func awaitCursor(t testing.TB, db *pgx.Conn, condition string) {
	t.Helper()
	var hi, low, rows int64
	var gaps string
	for begin := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		var ok bool
		err := db.QueryRow(testenv.Context(t), `SELECT hi, gaps::text, low, (SELECT count(*) FROM gateway.outbox), `+condition+` FROM gateway.outbox_reader`).Scan(&hi, &gaps, &low, &rows, &ok)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			return
		}
		if time.Since(begin) > testenv.Wait {
			t.Fatalf("hi %d, gaps %s, low %d, %d rows: never %s", hi, gaps, low, rows, condition)
		}
	}
}

// outboxID returns the id of a change in the outbox.
func outboxID(t testing.TB, c sourcetest.Change) int64 {
	t.Helper()
	id, err := strconv.ParseInt(string(c.ID), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func asChange(o *Options) { o.Output = "change" }

// session is a further session of the database, for transactions side by side.
func newSession(t testing.TB) *pgx.Conn { t.Helper(); return testenv.Connect(t) }
