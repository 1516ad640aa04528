package pgconn_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/options"
	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func exec(t *testing.T, db *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := db.Exec(testenv.Context(t), sql, args...); err != nil {
		t.Fatalf("%v: %.300s", err, sql)
	}
}

// prepare makes the database new, with or without the table of leaders, and two roles: gateway,
// which may lead, and mallory, which may only connect.
func prepare(t *testing.T, withLease bool) *pgx.Conn {
	t.Helper()
	db := testenv.Connect(t)
	exec(t, db, `DROP SCHEMA IF EXISTS gateway CASCADE`)
	for _, role := range []string{"gateway", "mallory"} {
		exec(t, db, testenv.RoleSQL(role))
	}
	if withLease {
		rights, err := pgtrigger.RoleSQL("leader", "gateway", nil)
		if err != nil {
			t.Fatal(err)
		}
		exec(t, db, pgtrigger.LeaderSQL()+rights)
	}
	return db
}

func elector(t *testing.T, role string) pgconn.Elector {
	t.Helper()
	url := options.NewURL(testenv.RoleURL(t, role))
	config, err := pgconn.Config(url, "test")
	if err != nil {
		t.Fatal(err)
	}
	return pgconn.Elector{Config: config, URL: url, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

// campaign is one that goes on in a goroutine.
type campaign struct {
	won     chan plugin.Leadership
	standby chan string // holders
}

func start(t *testing.T, e pgconn.Elector, above int64) campaign {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	c := campaign{make(chan plugin.Leadership, 1), make(chan string, 1000)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		l, err := e.Campaign(ctx, "orders", above, func(holder string) { c.standby <- holder })
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if err == nil {
			c.won <- l
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		select {
		case l := <-c.won:
			l.Resign()
		default:
		}
	})
	return c
}

func (c campaign) leads(t *testing.T) plugin.Leadership {
	t.Helper()
	select {
	case l := <-c.won:
		t.Cleanup(l.Resign)
		if err := l.Confirm(testenv.Context(t)); err != nil {
			t.Fatal(err)
		}
		return l
	case <-time.After(testenv.Wait):
		t.Fatal("it does not lead")
		return nil
	}
}

func (c campaign) standsBy(t *testing.T) (holder string) {
	t.Helper()
	select {
	case holder = <-c.standby:
	case <-time.After(testenv.Wait):
		t.Fatal("it does not stand by")
	}
	return holder
}

// stranger takes the advisory lock of the leader as a role that has nothing to do with
// gateways.
func foreignSession(t *testing.T) *pgx.Conn {
	t.Helper()
	conn := testenv.ConnectAs(t, "mallory")
	exec(t, conn, `SELECT pg_advisory_lock(hashtextextended('eventgateway leader orders', 0))`)
	return conn
}

// TestLockOfForeignRoleDoesNotCount proves that with leases the lock of a foreign role does not count,
// and is reported.
func TestLockOfForeignRoleDoesNotCount(t *testing.T) {
	prepare(t, true)
	foreign := foreignSession(t)
	first := start(t, elector(t, "gateway"), 0).leads(t)
	second := start(t, elector(t, "gateway"), 0)
	if holder, want := second.standsBy(t), fmt.Sprintf(`the role "mallory", pid %d`, foreign.PgConn().PID()); holder != want {
		t.Errorf("holder %q, want %q", holder, want)
	}
	first.Resign()
	taken := second.leads(t)
	if taken.Term() <= first.Term() {
		t.Errorf("term %d after %d", taken.Term(), first.Term())
	}
	exec(t, foreign, "SELECT pg_advisory_unlock_all()")
	if err := taken.Confirm(testenv.Context(t)); err != nil { // it has the lock, too, now
		t.Error(err)
	}
}

// TestHolderWithoutLeaseIsNamed proves that without leases the role that has the lock is reported.
func TestHolderWithoutLeaseIsNamed(t *testing.T) {
	prepare(t, false)
	foreign := foreignSession(t)
	c := start(t, elector(t, "gateway"), 0)
	if holder, want := c.standsBy(t), fmt.Sprintf(`the role "mallory", pid %d`, foreign.PgConn().PID()); holder != want {
		t.Errorf("holder %q, want %q", holder, want)
	}
	exec(t, foreign, "SELECT pg_advisory_unlock_all()")
	c.leads(t)
}

// TestTakeover proves that a standby leads at once if the holder's session has ended, and else after
// the lease timeout.
func TestTakeover(t *testing.T) {
	db := prepare(t, true)
	first := start(t, elector(t, "gateway"), 0).leads(t)
	second := start(t, elector(t, "gateway"), 0)
	if holder := second.standsBy(t); holder != "" {
		t.Errorf("holder %q", holder)
	}
	begin := time.Now()
	exec(t, db, `SELECT pg_terminate_backend(pid) FROM gateway.leader`)
	next := second.leads(t)
	if d := time.Since(begin); d > 4*time.Second {
		t.Errorf("a session that has ended is replaced after %v", d)
	}
	if err := first.Confirm(testenv.Context(t)); err == nil {
		t.Error("the first leader is still confirmed")
	}
	if next.Term() != first.Term()+1 && next.Term() <= first.Term() {
		t.Errorf("term %d after %d", next.Term(), first.Term())
	}
	// The holder's lease is stolen: the row says another holder.
	exec(t, db, `UPDATE gateway.leader SET holder = 'thief', locked = false`)
	if err := next.Confirm(testenv.Context(t)); err == nil || !strings.Contains(err.Error(), "another gateway has taken the lease") {
		t.Errorf("error %v", err)
	}
	next.Resign()
	third := start(t, elector(t, "gateway"), 0)
	third.standsBy(t) // until the lease of the thief has not changed for long enough
	third.leads(t)
}

// TestGatewayWithoutLeases proves that an older gateway leads by the lock, and that a newer one stands
// by.
func TestGatewayWithoutLeases(t *testing.T) {
	db := prepare(t, false)
	old := start(t, elector(t, "gateway"), 0).leads(t)
	rights, err := pgtrigger.RoleSQL("leader", "gateway", nil)
	if err != nil {
		t.Fatal(err)
	}
	exec(t, db, pgtrigger.LeaderSQL()+rights)
	exec(t, db, `INSERT INTO gateway.leader VALUES ('orders', 'long gone', 1, 1, true, now() - interval '1 day')`)
	c := start(t, elector(t, "gateway"), 0)
	for range 3 {
		if holder := c.standsBy(t); holder != "" {
			t.Errorf("holder %q", holder)
		}
	}
	old.Resign()
	if l := c.leads(t); l.Term() <= old.Term() {
		t.Errorf("term %d after %d", l.Term(), old.Term())
	}
}

// TestRoleWithoutTheLease proves that a role without rights on leases does not lead beside others,
// which do not respect its lock.
func TestRoleWithoutTheLease(t *testing.T) {
	db := prepare(t, true)
	exec(t, db, `REVOKE UPDATE ON gateway.leader FROM gateway`)
	_, err := elector(t, "gateway").Campaign(testenv.Context(t), "orders", 0, func(string) {})
	if want := `GRANT USAGE ON SCHEMA gateway TO "gateway"; GRANT SELECT, INSERT, UPDATE ON gateway.leader TO "gateway"`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v", err)
	}
}

// TestLockTakenBesideTheLease by a gateway that knows no leases, after a stranger has let it go: the
// one with the lease gives way.
func TestLockTakenBesideTheLease(t *testing.T) {
	prepare(t, true)
	foreign := foreignSession(t)
	first := start(t, elector(t, "gateway"), 0).leads(t)
	old := testenv.ConnectAs(t, "gateway")
	exec(t, foreign, "SELECT pg_advisory_unlock_all()")
	exec(t, old, "SELECT pg_advisory_lock(hashtextextended('eventgateway leader orders', 0))")
	if err := first.Confirm(testenv.Context(t)); err == nil || !strings.Contains(err.Error(), "knows no leases") {
		t.Errorf("error %v", err)
	}
}

// TestTermsDoNotGoBack proves that terms rise, also above those that a sink has seen.
func TestTermsDoNotGoBack(t *testing.T) {
	db := prepare(t, false)
	first := start(t, elector(t, "gateway"), 0).leads(t)
	first.Resign()
	raised := start(t, elector(t, "gateway"), first.Term()+1_000_000).leads(t)
	if raised.Term() != first.Term()+1_000_001 {
		t.Errorf("term %d, above %d", raised.Term(), first.Term()+1_000_000)
	}
	raised.Resign()
	if before := int64(time.Now().AddDate(50, 0, 0).UnixMicro()); first.Term() <= before || first.Term() >= 1<<53 {
		t.Errorf("term %d: terms were microseconds of the clock before", first.Term())
	}
	_, err := elector(t, "gateway").Campaign(testenv.Context(t), "orders", first.Term()+1<<40, func(string) {})
	if err == nil || !strings.Contains(err.Error(), "a sink has seen a leader of orders at a server that was promoted or restored later") {
		t.Errorf("a later timeline: %v", err)
	}
	// The row keeps what was raised.
	rights, err := pgtrigger.RoleSQL("leader", "gateway", nil)
	if err != nil {
		t.Fatal(err)
	}
	exec(t, db, pgtrigger.LeaderSQL()+rights)
	high := start(t, elector(t, "gateway"), first.Term()+2_000_000).leads(t)
	high.Resign()
	if l := start(t, elector(t, "gateway"), 0).leads(t); l.Term() != high.Term()+1 {
		t.Errorf("term %d after %d", l.Term(), high.Term())
	}
}

// TestFunctionsOfOthersAreNotCalled, which fit a call of the elector better than PostgreSQL's own.
func TestFunctionsOfOthersAreNotCalled(t *testing.T) {
	db := prepare(t, true)
	exec(t, db, `GRANT CREATE ON SCHEMA public TO mallory; SET SESSION AUTHORIZATION mallory;
		CREATE FUNCTION public.hashtextextended(text, int) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'mallory runs as %', current_user; END $$;
		RESET SESSION AUTHORIZATION`)
	start(t, elector(t, "gateway"), 0).leads(t)
	exec(t, db, `DROP OWNED BY mallory`)
}

// TestForeignLeaseTable proves that a lease table of an untrusted owner is not written, because its
// triggers would run with this role's rights.
func TestForeignLeaseTable(t *testing.T) {
	db := prepare(t, true)
	exec(t, db, `ALTER TABLE gateway.leader OWNER TO mallory`)
	start(t, elector(t, "gateway"), 0).leads(t)
	var n int
	if err := db.QueryRow(testenv.Context(t), "SELECT count(*) FROM gateway.leader").Scan(&n); err != nil || n != 0 {
		t.Errorf("%d leases, %v", n, err)
	}
}
