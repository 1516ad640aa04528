package postgresoutbox

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// TestRewoundSequence sets the sequence back, as an operator can at any time. The reader continues, and
// no later change is skipped or deleted unread.
func TestRewoundSequence(t *testing.T) {
	const lost = "SELECT setval('gateway.outbox_id_seq', 1)"
	for name, c := range map[string]struct {
		running bool
		steps   func(db *pgx.Conn)
	}{
		"running, not passed": {true, func(db *pgx.Conn) {
			sourcetest.Exec(t, db, lost)
			sourcetest.Exec(t, db, sourcetest.InsertItems, 101, 110, 1)
		}},
		"running, passed": {true, func(db *pgx.Conn) { // before anyone can look
			sourcetest.Exec(t, db, "BEGIN; "+lost+"; INSERT INTO items SELECT n FROM generate_series(101, 301) n; COMMIT")
		}},
		"stopped, not passed": {false, func(db *pgx.Conn) {
			sourcetest.Exec(t, db, lost)
			sourcetest.Exec(t, db, sourcetest.InsertItems, 101, 110, 1)
		}},
		"stopped, passed": {false, func(db *pgx.Conn) {
			sourcetest.Exec(t, db, lost)
			sourcetest.Exec(t, db, sourcetest.InsertItems, 101, 301, 1)
		}},
		"stopped, advice of old followed": {false, func(db *pgx.Conn) { // setval it beyond: 1 of 101 came
			sourcetest.Exec(t, db, lost)
			sourcetest.Exec(t, db, sourcetest.InsertItems, 101, 120, 1)
			sourcetest.Exec(t, db, "SELECT setval('gateway.outbox_id_seq', 1000)")
			sourcetest.Exec(t, db, sourcetest.InsertItems, 121, 121, 1)
		}},
		"identity restarted": {true, func(db *pgx.Conn) {
			sourcetest.Exec(t, db, "TRUNCATE gateway.outbox RESTART IDENTITY")
			sourcetest.Exec(t, db, sourcetest.InsertItems, 101, 301, 1)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			db := resetDatabase(t, sourcetest.ItemsSQL, "items")
			p := follow(t, testenv.Postgres(t).URL())
			sourcetest.Exec(t, db, sourcetest.InsertItems, 1, 100, 1)
			p.AwaitItems(t, 1, 100, 1)
			testenv.WaitForSQL(t, db, cursorStoredSQL)
			testenv.WaitForSQL(t, db, outboxEmptySQL)
			if !c.running {
				p.Stop()
			}
			c.steps(db)
			if !c.running {
				p = follow(t, testenv.Postgres(t).URL())
			}
			var to int
			if err := db.QueryRow(t.Context(), "SELECT max(id) FROM items").Scan(&to); err != nil {
				t.Fatal(err)
			}
			p.AwaitItems(t, 101, to, 1)
			testenv.WaitForSQL(t, db, outboxEmptySQL)
			p.RequireOneGap(t, "went back")
			sourcetest.Exec(t, db, sourcetest.InsertItems, to+1, to+10, 1)
			p.AwaitItems(t, to+1, to+10, 1)
			testenv.WaitForSQL(t, db, outboxEmptySQL)
			testenv.WaitForSQL(t, db, cursorStoredSQL)
			p.RequireOneGap(t, "went back")
		})
	}
}

// TestSequenceBelowUndeliveredRows proves that rows above a rewound sequence are delivered and then
// deleted, so that no writer draws an id that exists. Ids that the sequence has not drawn again stay
// pending.
func TestSequenceBelowUndeliveredRows(t *testing.T) {
	db := resetDatabase(t, sourcetest.ItemsSQL, "items")
	url := testenv.Postgres(t).URL()
	p := follow(t, url)
	sourcetest.Exec(t, db, sourcetest.InsertItems, 1, 50, 1)
	p.AwaitItems(t, 1, 50, 1)
	testenv.WaitForSQL(t, db, cursorStoredSQL)
	testenv.WaitForSQL(t, db, outboxEmptySQL)
	p.Stop()
	sourcetest.Exec(t, db, sourcetest.InsertItems, 51, 100, 1)
	sourcetest.Exec(t, db, "SELECT setval('gateway.outbox_id_seq', 10)")
	sourcetest.Exec(t, db, sourcetest.InsertItems, 101, 120, 1) // 11 to 30
	p = follow(t, url)
	p.AwaitItems(t, 51, 120, 1)
	testenv.WaitForSQL(t, db, "SELECT NOT EXISTS (SELECT FROM gateway.outbox WHERE id > 30)") // else the next writer would fail
	sourcetest.Exec(t, db, sourcetest.InsertItems, 121, 300, 1)                               // up to 210
	p.AwaitItems(t, 121, 300, 1)
	testenv.WaitForSQL(t, db, outboxEmptySQL)
	testenv.WaitForSQL(t, db, cursorStoredSQL)
	if got := p.Reasons(); len(got) != 2 {
		t.Errorf("gaps %q", got)
	}
}

// TestDeletionPassesLargeIDGaps proves that many ids without rows do not keep later rows from being
// deleted.
func TestDeletionPassesLargeIDGaps(t *testing.T) {
	db := resetDatabase(t, sourcetest.ItemsSQL, "items")
	p := follow(t, testenv.Postgres(t).URL())
	for i := range 4 {
		sourcetest.Exec(t, db, sourcetest.InsertItems, 10*i+1, 10*i+10, 1)
		p.AwaitItems(t, 10*i+1, 10*i+10, 1)
		sourcetest.Exec(t, db, "SELECT setval('gateway.outbox_id_seq', $1)", int64(1_000_000_000)*int64(i+1))
	}
	testenv.WaitForSQL(t, db, outboxEmptySQL)
	if got := p.Reasons(); len(got) > 0 {
		t.Errorf("gaps %q", got)
	}
}
