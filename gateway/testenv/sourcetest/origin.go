package sourcetest

import (
	"testing"
	"time"
)

// OriginTimes proves that changes have an origin time by the clock of the server: that of their commit if commit is set, else that
// of their write. Rows of a snapshot have none.
func (k Kind) OriginTimes(t *testing.T, commit bool) {
	db := k.Reset(t, ItemsSQL+"INSERT INTO items VALUES (1, 0);", "items")
	out := NewCollector()
	k.Start(t, Settings{Tables: []string{"items"}, Snapshot: "initial"}, out)
	out.Await(t, 1)
	k.AwaitSnapshots(t, db, 1)
	clock := func() (now time.Time) {
		t.Helper()
		if err := db.QueryRow(t.Context(), "SELECT clock_timestamp()").Scan(&now); err != nil {
			t.Fatal(err)
		}
		return now
	}
	var before, between, after []time.Time
	for _, sql := range []string{"INSERT INTO items VALUES (2, 0)", "UPDATE items SET v = 1 WHERE id = 2", "DELETE FROM items WHERE id = 2", "TRUNCATE items"} {
		Exec(t, db, "BEGIN")
		before = append(before, clock())
		Exec(t, db, sql)
		between = append(between, clock())
		Exec(t, db, "COMMIT")
		after = append(after, clock())
	}
	for i, e := range out.Await(t, 5) {
		if i == 0 {
			if !e.Origin.IsZero() || Operation(e) != "READ" {
				t.Errorf("the origin time of %s is %v", e.Data, e.Origin)
			}
			continue
		}
		from, to := before[i-1], between[i-1]
		if commit {
			from, to = between[i-1], after[i-1]
		}
		if e.Origin.Before(from) || e.Origin.After(to) {
			t.Errorf("the origin time of %s is %v, not from %v to %v", e.Data, e.Origin, from, to)
		}
	}
}
