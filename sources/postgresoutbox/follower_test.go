package postgresoutbox

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
)

// follower is a reader and the gaps that it reports, for tests in which a database goes back.
type follower struct {
	*runningSource
	mu         sync.Mutex
	gapReasons []string
}

// follow starts a reader of the server at url.
func follow(t testing.TB, url string) *follower {
	t.Helper()
	return followAs(t, url, "gateway", nil)
}

// followAs starts a reader with a name. prepare changes the source before it starts; it may be nil.
func followAs(t testing.TB, url, name string, prepare func(*source)) *follower {
	t.Helper()
	p := &follower{}
	out := newCollector()
	out.gap = func(reason string) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.gapReasons = append(p.gapReasons, reason)
	}
	s := newSource(t, func(o *Options) { o.Output, o.URL, o.Name = "change", options.NewURL(url), name })
	s.deleteEvery, s.measureEvery = 50*time.Millisecond, 100*time.Millisecond
	if prepare != nil {
		prepare(s)
	}
	p.runningSource = startSource(t, s, out)
	return p
}

// continueAs gives a successor what this follower has received. It was stopped.
func (p *follower) continueAs(next *follower) {
	next.collector.mu.Lock()
	defer next.collector.mu.Unlock()
	next.collector.events = append(p.collector.events, next.collector.events...)
}

// reported returns the gaps.
func (p *follower) reported() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.gapReasons...)
}

// awaitItems waits until changes of the rows from..to have arrived, in any order. Each must have
// arrived in the version v.
func (p *follower) awaitItems(t testing.TB, from, to, v int) {
	t.Helper()
	var ids []int
	for id := from; id <= to; id++ {
		ids = append(ids, id)
	}
	p.awaitRows(t, ids, v)
}

func (p *follower) awaitRows(t testing.TB, ids []int, v int) {
	t.Helper()
	deadline := time.After(testenv.Wait)
	missing, done := map[int]bool{}, 0
	for _, id := range ids {
		missing[id] = true
	}
	for {
		p.collector.mu.Lock()
		events := p.collector.events
		p.collector.mu.Unlock()
		for _, e := range events[done:] {
			if row := changeOf(t, e).New; row != nil && row["v"] == float64(v) {
				delete(missing, int(row["id"].(float64)))
			}
		}
		done = len(events)
		if len(missing) == 0 {
			return
		}
		select {
		case <-p.arrived:
		case <-deadline:
			t.Fatalf("%d of %d rows are missing; gaps: %q; %s", len(missing), len(ids), p.reported(), lastError(p.runningSource))
		}
	}
}

func lastError(s *runningSource) (text string) {
	for {
		select {
		case err := <-s.errs:
			text = err.Error()
		default:
			return text
		}
	}
}

// requireOneGap checks that exactly one gap was reported, and that its reason contains a text.
func (p *follower) requireOneGap(t testing.TB, text string) {
	t.Helper()
	if got := p.reported(); len(got) != 1 || !strings.Contains(got[0], text) {
		t.Errorf("gaps %q, want one with %q", got, text)
	}
}

// requireGap checks that a gap was reported whose reason contains a text.
func (p *follower) requireGap(t testing.TB, text string) {
	t.Helper()
	if got := strings.Join(p.reported(), "\n"); !strings.Contains(got, text) {
		t.Errorf("gaps %q, want one with %q", got, text)
	}
}

// install creates the tables and the outbox in a server of the test's own.
func install(t testing.TB, s *testenv.PostgresServer) *pgx.Conn {
	t.Helper()
	db := testenv.ConnectTo(t, s)
	run(t, db, itemsSQL+outbox(t, "items").CreateSQL())
	return db
}

const (
	insertItems     = "INSERT INTO items SELECT n, $3::int FROM generate_series($1::int, $2::int) n"
	outboxEmptySQL  = "SELECT NOT EXISTS (SELECT FROM gateway.outbox)"
	cursorStoredSQL = "SELECT count(*) = 1 AND bool_and(hi = (SELECT last_value FROM gateway.outbox_id_seq) AND low = hi) FROM gateway.outbox_reader"
)

// startLaggingStandby starts a primary, and a standby that lacks the latest delivered changes.
func startLaggingStandby(t testing.TB, before, lost int) (p *follower, standby *testenv.PostgresServer, crash func()) {
	t.Helper()
	primary := testenv.StartPostgres(t)
	db := install(t, primary)
	dir := testenv.Backup(t, primary, "-R")
	standby = testenv.StartFromBackup(t, dir, testenv.FreePort(t))
	p = follow(t, fmt.Sprintf("postgres://postgres@127.0.0.1:%d,127.0.0.1:%d/postgres?sslmode=disable&target_session_attrs=read-write",
		testenv.Port(t, primary), testenv.Port(t, standby)))
	run(t, db, insertItems, 1, before, 1)
	p.awaitItems(t, 1, before, 1)
	testenv.WaitForSQL(t, db, cursorStoredSQL)
	replica := testenv.ConnectTo(t, standby)
	var position string
	if err := db.QueryRow(t.Context(), "SELECT pg_current_wal_flush_lsn()::text").Scan(&position); err != nil {
		t.Fatal(err)
	}
	testenv.WaitForSQL(t, replica, "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", position)
	run(t, replica, "ALTER SYSTEM SET primary_conninfo = ''")
	run(t, replica, "SELECT pg_reload_conf()")
	testenv.WaitForSQL(t, replica, "SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)")
	run(t, db, insertItems, before+1, before+lost, 1)
	p.awaitItems(t, before+1, before+lost, 1)
	return p, standby, func() {
		done := keepWriting(db, 5_001)
		testenv.Crash(t, primary)
		<-done
		run(t, replica, "SELECT pg_promote(true)")
	}
}

// keepWriting inserts rows, one by one, until the server ends.
func keepWriting(db *pgx.Conn, from int) (done chan struct{}) {
	begun := make(chan struct{})
	done = make(chan struct{})
	go func() {
		defer close(done)
		for id := from; ; id++ {
			if _, err := db.Exec(context.Background(), insertItems, id, id, 1); err != nil {
				return
			}
			if id == from+10 {
				close(begun)
			}
		}
	}()
	select {
	case <-begun:
	case <-done:
	}
	return done
}
