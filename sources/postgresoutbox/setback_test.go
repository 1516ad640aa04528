package postgresoutbox

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// deliverItems delivers items with a reader, and waits until all is stored and deleted.
func deliverItems(t *testing.T, db *pgx.Conn, from, to int, followers ...*sourcetest.Follower) {
	t.Helper()
	sourcetest.Exec(t, db, sourcetest.InsertItems, from, to, 1)
	for _, p := range followers {
		p.AwaitItems(t, from, to, 1)
	}
	testenv.WaitForSQL(t, db, outboxEmptySQL)
}

// TestReusedIDsOfOpenTransactions sets the sequence back, and has a transaction take the ids again that the
// reader cannot tell by its transaction id: it is older than transactions that were read.
func TestReusedIDsOfOpenTransactions(t *testing.T) {
	for name, c := range map[string]struct {
		before, during string // in the long transaction
		last           int    // items that are in the sequence afterwards
	}{
		"its id is older than those that were read": {"SELECT pg_current_xact_id()", "SELECT setval('gateway.outbox_id_seq', 10); INSERT INTO items VALUES (201, 1), (202, 1)", 202},
		"it commits after later changes were read":  {"SELECT setval('gateway.outbox_id_seq', 90); INSERT INTO items SELECT n, 1 FROM generate_series(201, 220) n", "", 220},
	} {
		t.Run(name, func(t *testing.T) {
			db := resetDatabase(t, sourcetest.ItemsSQL, "items")
			p := followAs(t, testenv.Postgres(t).URL(), "gateway", func(s *source) { s.measureEvery = time.Hour }) // deletes before it looks at the sequence
			long := newSession(t)
			deliverItems(t, db, 1, 50, p)
			sourcetest.Exec(t, long, "BEGIN; SELECT pg_current_xact_id()")
			deliverItems(t, db, 51, 100, p)
			sourcetest.Exec(t, long, c.before)
			deliverItems(t, db, 301, 302, p)
			sourcetest.Exec(t, long, c.during+"; COMMIT")
			sourcetest.Exec(t, db, sourcetest.InsertItems, 303, 304, 1)
			p.AwaitItems(t, 201, c.last, 1)
			p.AwaitItems(t, 301, 304, 1)
			testenv.WaitForSQL(t, db, outboxEmptySQL)
			p.RequireOneGap(t, "went back")
		})
	}
}

// TestReusedIDsWithTwoReaders proves that a reader deletes no change that the other one has not read,
// because the ids were used again and then passed.
func TestReusedIDsWithTwoReaders(t *testing.T) {
	db := resetDatabase(t, sourcetest.ItemsSQL, "items")
	url := testenv.Postgres(t).URL()
	a, b := follow(t, url), followAs(t, url, "b", nil)
	for i := range 5 {
		from := 1000 * (i + 1)
		deliverItems(t, db, from, from+99, a, b)
		sourcetest.Exec(t, db, "SELECT setval('gateway.outbox_id_seq', (SELECT last_value - 20 FROM gateway.outbox_id_seq))")
		for j := range 40 {
			sourcetest.Exec(t, db, sourcetest.InsertItems, from+100+j, from+100+j, 1)
		}
		a.AwaitItems(t, from+100, from+139, 1)
		b.AwaitItems(t, from+100, from+139, 1)
	}
	testenv.WaitForSQL(t, db, outboxEmptySQL)
}

// TestOlderChangesComeFirst proves that the changes of a row keep their order when the sequence was set back
// below changes that were not read yet, across restarts of the reader.
func TestOlderChangesComeFirst(t *testing.T) {
	db := resetDatabase(t, sourcetest.ItemsSQL, "items")
	url := testenv.Postgres(t).URL()
	p := follow(t, url)
	deliverItems(t, db, 1, 50, p)
	testenv.WaitForSQL(t, db, cursorStoredSQL)
	p.Stop()
	sourcetest.Exec(t, db, "UPDATE items SET v = 2")
	sourcetest.Exec(t, db, "SELECT setval('gateway.outbox_id_seq', 1)")
	sourcetest.Exec(t, db, "UPDATE items SET v = 3 WHERE id <= 20")
	p = follow(t, url)
	p.AwaitItems(t, 1, 20, 3)
	p.AwaitItems(t, 21, 50, 2)
	testenv.WaitForSQL(t, db, outboxEmptySQL)
	latest := map[float64]float64{}
	for _, e := range p.Events() {
		row := sourcetest.ChangeOf(t, e).New
		latest[row["id"].(float64)] = row["v"].(float64)
	}
	for id := 1.0; id <= 20; id++ {
		if latest[id] != 3 {
			t.Errorf("the latest of row %v has v %v", id, latest[id])
		}
	}
}

// TestUnclaimedChangesAboveSequence proves that unclaimed changes above a rewound sequence are deleted,
// because a writer would fail at them, and are counted.
func TestUnclaimedChangesAboveSequence(t *testing.T) {
	db := resetDatabase(t, twoTablesSQL, "old", "items")
	s := newQuickSource(t, withTables("items"))
	st := startSource(t, s, sourcetest.NewCollector())
	sourcetest.Exec(t, db, `INSERT INTO old SELECT n FROM generate_series(1, 50) n; INSERT INTO items VALUES (1)`)
	st.Await(t, 1)
	awaitCursor(t, db, "hi = 51")
	sourcetest.Exec(t, db, "SELECT setval('gateway.outbox_id_seq', 30)")
	testenv.WaitForSQL(t, db, "SELECT count(*) = 30 AND max(id) = 30 FROM gateway.outbox")
	st.Stop()
	if n := testutil.ToFloat64(s.unclaimedDeleted); n != 20 {
		t.Errorf("%v are counted", n)
	}
}

// TestSequenceSetBackUnderLoad sets the sequence back again and again during writes, while one of two readers
// is stopped and started. All that is committed is delivered to both. A longer one is a part of make chaos.
func TestSequenceSetBackUnderLoad(t *testing.T) {
	db := resetDatabase(t, sourcetest.ItemsSQL, "items")
	url := testenv.Postgres(t).URL()
	a, b := follow(t, url), followAs(t, url, "b", nil)
	writers := sourcetest.StartLoad(t, url, 1)
	for i := range sourcetest.EnvInt(t, "SETBACKS", 8) {
		writers.Await(t, 60)
		back := []int{1, 20, 100, 1_000_000}[i%4]
		sourcetest.Exec(t, db, "SELECT setval('gateway.outbox_id_seq', greatest(1, last_value - $1)) FROM gateway.outbox_id_seq", back)
		if i%3 == 1 {
			b.Stop()
			writers.Await(t, 30)
			next := followAs(t, url, "b", nil)
			next.Prepend(b.Events())
			b = next
		}
	}
	writers.Await(t, 60)
	writers.Stop()
	requireConserved(t, db, []int{1}, a, b)
	if len(a.Reasons()) == 0 {
		t.Error("no gap was reported")
	}
}
