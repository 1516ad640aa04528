package postgresoutbox

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"eventgateway/gateway/testenv"
)

// load is writers that insert rows of one version into items, in transactions of several statements, some of
// which are long or aborted. A write that fails because its id exists in the outbox is aborted, too.
type load struct {
	stop    func()
	commits *atomic.Int64
}

// startLoad starts writers, which end with stop or when the server ends. Each version has ids of its own.
func startLoad(t testing.TB, url string, version int) *load {
	t.Helper()
	const writers = 4
	ctx, cancel := context.WithCancel(context.Background())
	var writing sync.WaitGroup
	var next, commits atomic.Int64
	next.Store(int64(version) * 1_000_000)
	for w := range writers {
		conn, err := pgx.Connect(testenv.Context(t), url)
		if err != nil {
			t.Fatal(err)
		}
		rnd := rand.New(rand.NewPCG(uint64(version), uint64(w)))
		writing.Go(func() {
			defer conn.Close(context.Background())
			for ctx.Err() == nil {
				err := writeOnce(conn, rnd, &next, version)
				var serverErr *pgconn.PgError
				switch {
				case err == nil:
					commits.Add(1)
				case errors.As(err, &serverErr) && serverErr.Code == "23505":
				default:
					return // the server has ended
				}
			}
		})
	}
	stop := sync.OnceFunc(func() { cancel(); writing.Wait() })
	t.Cleanup(stop)
	return &load{stop: stop, commits: &commits}
}

func writeOnce(conn *pgx.Conn, rnd *rand.Rand, next *atomic.Int64, version int) error {
	ctx, cancel := context.WithTimeout(context.Background(), testenv.Wait)
	defer cancel()
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx)
	for range 1 + rnd.IntN(3) {
		if rnd.IntN(10) == 0 {
			time.Sleep(time.Duration(rnd.IntN(50)) * time.Millisecond) // how long is a part of the load
		}
		n := 1 + rnd.Int64N(3)
		last := next.Add(n)
		if _, err := tx.Exec(ctx, insertItems, last-n+1, last, version); err != nil {
			return err
		}
	}
	if rnd.IntN(8) == 0 {
		return nil
	}
	return tx.Commit(ctx)
}

// await waits for n more commits.
func (l *load) await(t testing.TB, n int64) {
	t.Helper()
	until := l.commits.Load() + n
	testenv.Eventually(t, testenv.Wait, fmt.Sprintf("%d more commits", n), func() bool { return l.commits.Load() >= until })
}

// requireDelivered checks that each follower has all rows that the database has in the given versions.
func requireDelivered(t testing.TB, db *pgx.Conn, versions []int, followers ...*follower) {
	t.Helper()
	for _, version := range versions {
		ids := itemIDs(t, db, "v = $1", version)
		if len(ids) == 0 {
			t.Fatalf("nothing of version %d was committed", version)
		}
		for _, p := range followers {
			p.awaitRows(t, ids, version)
		}
	}
}

// requireConserved checks beside that rows which a follower has and the database lacks are told by a gap, and that all
// changes are deleted. The writers have ended.
func requireConserved(t testing.TB, db *pgx.Conn, versions []int, followers ...*follower) {
	t.Helper()
	requireDelivered(t, db, versions, followers...)
	testenv.WaitForSQL(t, db, outboxEmptySQL)
	exists := map[int]bool{}
	for _, id := range itemIDs(t, db, "v <> $1", -1) {
		exists[id] = true
	}
	for _, p := range followers {
		lost := 0
		p.collector.mu.Lock()
		for _, e := range p.collector.events {
			if row := changeOf(t, e).New; row != nil && !exists[int(row["id"].(float64))] {
				lost++
			}
		}
		p.collector.mu.Unlock()
		if lost > 0 && len(p.reported()) == 0 {
			t.Errorf("%d delivered rows are gone from the database, and no gap was reported", lost)
		}
	}
}

func itemIDs(t testing.TB, db *pgx.Conn, condition string, arg int) (ids []int) {
	t.Helper()
	if err := db.QueryRow(testenv.Context(t), "SELECT coalesce(array_agg(id), '{}') FROM items WHERE "+condition, arg).Scan(&ids); err != nil {
		t.Fatal(err)
	}
	return ids
}
