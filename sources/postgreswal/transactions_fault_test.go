package postgreswal

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// TestTransactionsAcrossFaults proves that each transaction has all its positions once and one last one, in order, while sinks nack in
// the middle of it, sessions are ended, and the server crashes.
func TestTransactionsAcrossFaults(t *testing.T) {
	server := testenv.StartPostgres(t, "-c", "max_prepared_transactions=5")
	db := testenv.ConnectTo(t, server)
	sourcetest.Exec(t, db, sourcetest.ItemsSQL+"CREATE TABLE unlisted (id int PRIMARY KEY); CREATE TABLE docs (id int PRIMARY KEY)")
	kind.Install(t, db, "items", "unlisted", "docs")
	out := sourcetest.NewCollector()
	random, nacks := rand.New(rand.NewPCG(1, 2)), rand.New(rand.NewPCG(3, 4)) // of two goroutines
	out.AckWith = func(*event.Event) error {
		if nacks.IntN(150) == 0 {
			return errors.New("nacked")
		}
		return nil
	}
	st := start(t, func(o *Options) {
		o.URL, o.Output, o.Transactions, o.Tables = options.NewURL(server.URL()), "change", true, []string{"items", "docs"}
	}, out)
	want, sizes := 0, []int{}
	id := 0
	add := func(n, emitted int) { want += emitted; sizes = append(sizes, n) }
	for round := range 12 {
		n := 1 + random.IntN(400)
		sourcetest.Exec(t, db, fmt.Sprintf(`BEGIN; INSERT INTO items SELECT generate_series(%d, %d); SAVEPOINT a; DELETE FROM items; ROLLBACK TO a;
			SAVEPOINT b; INSERT INTO unlisted SELECT coalesce(max(id), 0) + 1 FROM unlisted; RELEASE b; COMMIT`, id+1, id+n))
		id += n
		add(n+1, n)
		sourcetest.Exec(t, db, fmt.Sprintf("BEGIN; TRUNCATE items, unlisted, docs; INSERT INTO items VALUES (%d); PREPARE TRANSACTION 'p'", id+1))
		id++
		add(4, 3)
		switch round % 4 {
		case 0:
			sourcetest.Exec(t, db, "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots")
		case 1:
			sourcetest.Exec(t, db, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'eventgateway%' AND backend_type = 'client backend'")
		case 2:
			var pid int
			if err := db.QueryRow(t.Context(), "SELECT pg_backend_pid()").Scan(&pid); err != nil {
				t.Fatal(err)
			}
			other := testenv.ConnectTo(t, server)
			must(t, syscall.Kill(pid, syscall.SIGKILL)) // the server ends all sessions, and recovers
			testenv.Eventually(t, testenv.Wait, "the sessions end", func() bool { _, err := other.Exec(t.Context(), "SELECT"); return err != nil })
			testenv.Eventually(t, testenv.Wait, "the server recovers", func() bool {
				conn, err := pgx.Connect(t.Context(), server.URL())
				if err == nil {
					db = conn
				}
				return err == nil
			})
			defer db.Close(context.Background())
		}
		sourcetest.Exec(t, db, "COMMIT PREPARED 'p'")
	}
	events := st.Await(t, want)
	last := position{}
	number, positions := -1, 0
	for i, e := range events {
		at, _ := positionOf(e)
		if at.compare(last) <= 0 {
			t.Fatalf("event %d is %v, after %v", i, at, last)
		}
		if at.lsn != last.lsn {
			number, positions = number+1, 0
		}
		last = at
		positions++
		a := attrs(e, "tx_position", "tx_last")
		if a[0] != strconv.FormatInt(at.index, 10) || (a[1] == "true") != (i+1 == len(events) || func() bool { next, _ := positionOf(events[i+1]); return next.lsn != at.lsn }()) {
			t.Errorf("event %d of the transaction %d of %d changes has %q", at.index, number, sizes[number], a)
		}
	}
	if number+1 != len(sizes) || len(events) != want {
		t.Errorf("%d transactions of %d, %d events of %d", number+1, len(sizes), len(events), want)
	}
	t.Logf("%d events came again", st.Repeated())
}
