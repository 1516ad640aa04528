package postgreswal

import (
	"context"
	"testing"
	"time"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// TestConformance runs the suite of all sources during continuous inserts.
func TestConformance(t *testing.T) {
	db := kind.Reset(t, `CREATE TABLE ticks (id serial PRIMARY KEY);`, "ticks")
	writer := testenv.Connect(t)
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
		Exclusive:   true,
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
func TestOriginTimes(t *testing.T)                 { kind.OriginTimes(t, true) }
func TestTables(t *testing.T)                      { kind.Tables(t) }
func TestKeysAndBarriers(t *testing.T)             { kind.KeysAndBarriers(t) }
func TestNackedChangesAreRedelivered(t *testing.T) { kind.NackedChangesAreRedelivered(t) }
func TestSnapshot(t *testing.T)                    { kind.Snapshot(t) }
func TestSnapshotUnderWrites(t *testing.T)         { kind.SnapshotUnderWrites(t) }
func TestSnapshotOfTypesOfExtensions(t *testing.T) { kind.SnapshotOfTypesOfExtensions(t) }
func TestSnapshotOfARewrittenTable(t *testing.T)   { kind.SnapshotOfARewrittenTable(t) }
func TestSnapshotOfAnotherTable(t *testing.T)      { kind.SnapshotOfAnotherTable(t) }
func TestRestartsReportNoGap(t *testing.T)         { kind.RestartsReportNoGap(t) }
func TestIdleSessionsAreNotEnded(t *testing.T)     { kind.IdleSessionsAreNotEnded(t) }

// TestChaos proves beside that changes arrive in the order of commits.
func TestChaos(t *testing.T) {
	last := position{}
	for _, e := range kind.Chaos(t) {
		at, ok := positionOf(e)
		if !ok || at.compare(last) <= 0 {
			t.Fatalf("%s follows %v", e.ID, last)
		}
		last = at
	}
}
