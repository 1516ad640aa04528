package postgresoutbox

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// follow starts a reader of the server at url.
func follow(t testing.TB, url string) *sourcetest.Follower {
	t.Helper()
	return followAs(t, url, "gateway", nil)
}

// followAs starts a reader with a name. prepare changes the source before it starts; it may be nil.
func followAs(t testing.TB, url, name string, prepare func(*source)) *sourcetest.Follower {
	t.Helper()
	out := sourcetest.NewCollector()
	gaps := sourcetest.RecordGaps(out)
	s := newSource(t, func(o *Options) { o.Output, o.URL, o.Name = "change", options.NewURL(url), name })
	s.deleteEvery, s.measureEvery = 50*time.Millisecond, 100*time.Millisecond
	if prepare != nil {
		prepare(s)
	}
	return &sourcetest.Follower{Running: sourcetest.Start(t, s, out, out), Gaps: gaps}
}

// install creates the tables and the outbox in a server of the test's own.
func install(t testing.TB, s *testenv.PostgresServer) *pgx.Conn {
	t.Helper()
	db := testenv.ConnectTo(t, s)
	installItems(t, db)
	return db
}

func installItems(t testing.TB, db *pgx.Conn) {
	t.Helper()
	sourcetest.Exec(t, db, sourcetest.ItemsSQL+outbox(t, "items").CreateSQL())
}

const (
	outboxEmptySQL  = "SELECT NOT EXISTS (SELECT FROM gateway.outbox)"
	cursorStoredSQL = "SELECT count(*) = 1 AND bool_and(hi = (SELECT last_value FROM gateway.outbox_id_seq) AND low = hi) FROM gateway.outbox_reader"
)

// startLaggingStandby starts a primary, and a standby that lacks the latest delivered changes.
func startLaggingStandby(t testing.TB, before, lost int) (p *sourcetest.Follower, standby *testenv.PostgresServer, crash func()) {
	t.Helper()
	s := sourcetest.StartLaggingStandby(t, func(db *pgx.Conn) { installItems(t, db) }, func(url string) *sourcetest.Follower { return follow(t, url) },
		func(db *pgx.Conn) { testenv.WaitForSQL(t, db, cursorStoredSQL) }, before, lost)
	return s.Follower, s.Standby, s.Promote
}

// requireConserved checks beside [sourcetest.RequireConserved] that all changes are deleted.
func requireConserved(t testing.TB, db *pgx.Conn, versions []int, followers ...*sourcetest.Follower) {
	t.Helper()
	sourcetest.RequireConserved(t, db, versions, followers...)
	testenv.WaitForSQL(t, db, outboxEmptySQL)
}
