package sourcetest

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

// Settings are options that each [Kind] has. A field without a value is the default, the package's database, or all tables.
type Settings struct {
	URL, Output, Snapshot string
	Tables                []string
}

// Kind is a type of source that emits the changes of rows in PostgreSQL. Its methods are tests that each kind runs.
type Kind struct {
	// Install makes a database capture the changes of tables, with whole old rows.
	Install func(t testing.TB, db *pgx.Conn, tables ...string)
	// Remove removes all that Install and a source have made in the database of a session. No source runs.
	Remove func(t testing.TB, db *pgx.Conn)
	// Build returns a source, which does not run yet.
	Build func(t testing.TB, set Settings) plugin.Source
	// AwaitStored waits until it is stored that events, which are all that a source has emitted, were acked.
	AwaitStored func(t testing.TB, db *pgx.Conn, events []*event.Event)
	// SnapshotsSQL is a query for the number of tables whose snapshot is complete, which ends with a condition about t, where t.key is the table.
	SnapshotsSQL string
}

// Reset recreates the schema public with the tables of ddl, and captures the changes of the named ones.
func (k Kind) Reset(t testing.TB, ddl string, tables ...string) *pgx.Conn {
	t.Helper()
	db := testenv.Connect(t)
	k.Remove(t, db)
	Exec(t, db, `DROP SCHEMA public CASCADE; CREATE SCHEMA public;`+ddl)
	k.Install(t, db, tables...)
	return db
}

// Start runs a source until the test ends.
func (k Kind) Start(t testing.TB, set Settings, out *Collector) *Running {
	t.Helper()
	return Start(t, k.Build(t, set), out, out)
}

// Follow runs a source for items at a URL until the test ends.
func (k Kind) Follow(t testing.TB, set Settings) *Follower {
	t.Helper()
	out := NewCollector()
	gaps := RecordGaps(out)
	set.Output = "change"
	return &Follower{k.Start(t, set, out), gaps}
}

// AwaitSnapshots waits until the snapshots of a number of tables are complete, so that rows which are written later are not part of a snapshot.
func (k Kind) AwaitSnapshots(t testing.TB, db *pgx.Conn, tables int) {
	t.Helper()
	testenv.WaitForSQL(t, db, "SELECT coalesce(("+k.SnapshotsSQL+"), 0) = $1", tables)
}

// RequireNoProblem checks that check --live finds no problem of a source.
func RequireNoProblem(t testing.TB, s plugin.Source) {
	t.Helper()
	for _, f := range s.(plugin.Prober).Probe(testenv.Context(t)) {
		if f.Level == plugin.Problem {
			t.Errorf("check --live: %+v", f)
		}
	}
}
