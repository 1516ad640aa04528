package sourcetest

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/testenv"
)

const (
	// ItemsSQL creates the table items. The tests write a row in versions.
	ItemsSQL = `CREATE TABLE items (id int PRIMARY KEY, v int NOT NULL DEFAULT 1);`
	// InsertItems inserts the rows $1 to $2 of items in version $3.
	InsertItems = "INSERT INTO items SELECT n, $3::int FROM generate_series($1::int, $2::int) n"
)

// Follower is a source that emits the changes of items, with output: change, and its gaps. It is for tests in which a
// database goes back.
type Follower struct {
	*Running
	*Gaps
}

// AwaitItems waits until the rows from..to have arrived in version v, in any order.
func (f *Follower) AwaitItems(t testing.TB, from, to, v int) {
	t.Helper()
	var ids []int
	for id := from; id <= to; id++ {
		ids = append(ids, id)
	}
	f.AwaitRows(t, ids, v)
}

// AwaitRows waits until rows have arrived in version v, in any order.
func (f *Follower) AwaitRows(t testing.TB, ids []int, v int) {
	t.Helper()
	deadline := time.After(testenv.Wait)
	missing, done := map[int]bool{}, 0
	for _, id := range ids {
		missing[id] = true
	}
	for {
		events := f.Events()
		for _, e := range events[done:] {
			if row := ChangeOf(t, e).New; row != nil && row["v"] == float64(v) {
				delete(missing, int(row["id"].(float64)))
			}
		}
		done = len(events)
		if len(missing) == 0 {
			return
		}
		select {
		case <-f.Arrived:
		case <-deadline:
			t.Fatalf("%d of %d rows are missing; gaps: %q; %s", len(missing), len(ids), f.Reasons(), f.LastError())
		}
	}
}

// ItemIDs returns the ids of the items that fulfill a condition with the parameter $1.
func ItemIDs(t testing.TB, db *pgx.Conn, condition string, arg int) (ids []int) {
	t.Helper()
	if err := db.QueryRow(testenv.Context(t), "SELECT coalesce(array_agg(id), '{}') FROM items WHERE "+condition, arg).Scan(&ids); err != nil {
		t.Fatal(err)
	}
	return ids
}
