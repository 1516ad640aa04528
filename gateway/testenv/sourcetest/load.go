package sourcetest

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

// Load is writers that insert rows of one version into items, in transactions of several statements, some of
// which are long or aborted. A write that fails because an id exists is aborted, too.
type Load struct {
	Stop    func()
	commits *atomic.Int64
}

// StartLoad starts writers, which end with Stop or when the server ends. Each version has ids of its own.
func StartLoad(t testing.TB, url string, version int) *Load {
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
	return &Load{Stop: stop, commits: &commits}
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
		if _, err := tx.Exec(ctx, InsertItems, last-n+1, last, version); err != nil {
			return err
		}
	}
	if rnd.IntN(8) == 0 {
		return nil
	}
	return tx.Commit(ctx)
}

// Await waits for n more commits.
func (l *Load) Await(t testing.TB, n int64) {
	t.Helper()
	until := l.commits.Load() + n
	testenv.Eventually(t, testenv.Wait, fmt.Sprintf("%d more commits", n), func() bool { return l.commits.Load() >= until })
}

// RequireDelivered checks that each follower has all items that the database has in the given versions.
func RequireDelivered(t testing.TB, db *pgx.Conn, versions []int, followers ...*Follower) {
	t.Helper()
	for _, version := range versions {
		ids := ItemIDs(t, db, "v = $1", version)
		if len(ids) == 0 {
			t.Fatalf("nothing of version %d was committed", version)
		}
		for _, f := range followers {
			f.AwaitRows(t, ids, version)
		}
	}
}

// RequireConserved checks what RequireDelivered checks, and that a follower with items that the database lacks has reported a gap. The
// writers must have ended.
func RequireConserved(t testing.TB, db *pgx.Conn, versions []int, followers ...*Follower) {
	t.Helper()
	RequireDelivered(t, db, versions, followers...)
	exists := map[int]bool{}
	for _, id := range ItemIDs(t, db, "v <> $1", -1) {
		exists[id] = true
	}
	for _, f := range followers {
		lost := 0
		for _, e := range f.Events() {
			if row := ChangeOf(t, e).New; row != nil && !exists[int(row["id"].(float64))] {
				lost++
			}
		}
		if lost > 0 && len(f.Reasons()) == 0 {
			t.Errorf("%d delivered rows are gone from the database, and no gap was reported", lost)
		}
	}
}
