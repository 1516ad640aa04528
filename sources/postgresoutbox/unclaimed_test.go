package postgresoutbox

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"eventgateway/gateway/event"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

func withTables(tables ...string) func(*Options) {
	return func(o *Options) { o.Tables = tables }
}

func newQuickSource(t *testing.T, set func(*Options)) *source {
	s := newSource(t, set)
	s.deleteEvery, s.measureEvery = 10*time.Millisecond, 10*time.Millisecond
	return s
}

func joinChannels(events []*event.Event) string {
	return sourcetest.Join(events, func(e *event.Event) string { return e.Channel })
}

func count(t *testing.T, db *pgx.Conn, sql string) (n int) {
	t.Helper()
	if err := db.QueryRow(testenv.Context(t), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

const twoTablesSQL = `CREATE TABLE old (id int PRIMARY KEY); CREATE TABLE items (id int PRIMARY KEY);`

// TestUnclaimedTable proves that changes of a table without a reader are counted, reported once and
// kept, and are delivered in order to a later reader. Others are not affected.
func TestUnclaimedTable(t *testing.T) {
	db := resetDatabase(t, twoTablesSQL, "old", "items")
	c := sourcetest.NewCollector()
	gaps := sourcetest.RecordGaps(c)
	s := newQuickSource(t, withTables("items"))
	st := startSource(t, s, c)
	sourcetest.Exec(t, db, `INSERT INTO old VALUES (1); INSERT INTO items VALUES (1); INSERT INTO old VALUES (2), (3); INSERT INTO items VALUES (2)`)
	st.Await(t, 2)
	if n := gaps.AwaitGap(t, "changes of public.old are not delivered"); n != 1 {
		t.Errorf("%d gaps", n)
	}
	awaitCursor(t, db, `low = 5 AND (SELECT count(*) = 3 FROM gateway.outbox)`)
	testenv.Eventually(t, testenv.Wait, "3 unclaimed rows in the gauge", func() bool { return testutil.ToFloat64(s.unclaimedRows) == 3 })
	if n := testutil.ToFloat64(s.skipped); n != 3 {
		t.Errorf("%v are counted", n)
	}
	st.Stop()
	s = newQuickSource(t, withTables("items", "old"))
	s.maxCheckIDs = 2 // changes of the table lie in three parts
	st = startSource(t, s, sourcetest.NewCollector())
	sourcetest.Exec(t, db, `INSERT INTO old VALUES (4)`)
	events := st.Await(t, 4)
	if got := sourcetest.Join(events, func(e *event.Event) string { return e.Key }); got != "public.old:1 public.old:2 public.old:3 public.old:4 " {
		t.Errorf("then come %s", got)
	}
	awaitCursor(t, db, `low = 6 AND (SELECT count(*) = 0 FROM gateway.outbox)`)
	st.Stop()
}

// TestTableOfAnotherReader proves that a table of another reader is no gap, and that changes that all
// have read are deleted.
func TestTableOfAnotherReader(t *testing.T) {
	db := resetDatabase(t, twoTablesSQL, "old", "items")
	var all []*runningSource
	for _, name := range []string{"old", "items"} {
		c := sourcetest.NewCollector()
		c.OnGap = func(reason string) { t.Errorf("%s: gap: %s", name, reason) }
		all = append(all, startSource(t, newQuickSource(t, func(o *Options) { o.Name, o.Tables = name, []string{name} }), c))
	}
	sourcetest.Exec(t, db, `INSERT INTO old VALUES (1); INSERT INTO items VALUES (1)`)
	for i, want := range []string{"public.old ", "public.items "} {
		if got := joinChannels(all[i].Await(t, 1)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	awaitCursor(t, db, `(SELECT count(*) = 0 FROM gateway.outbox)`)
}

// TestUnclaimedChangesAreBounded proves that the oldest unclaimed changes beyond the bound are deleted
// and counted.
func TestUnclaimedChangesAreBounded(t *testing.T) {
	db := resetDatabase(t, twoTablesSQL, "old", "items")
	s := newQuickSource(t, withTables("items"))
	s.maxUnclaimed = 10
	st := startSource(t, s, sourcetest.NewCollector())
	sourcetest.Exec(t, db, `INSERT INTO old SELECT generate_series(1, 100); INSERT INTO items VALUES (1)`)
	st.Await(t, 1)
	awaitCursor(t, db, `(SELECT count(*) = 10 AND min(id) = 91 FROM gateway.outbox)`)
	st.Stop()
	if n := testutil.ToFloat64(s.unclaimedDeleted); n != 90 {
		t.Errorf("%v deleted changes are counted", n)
	}
}

// TestRenamedTable proves that the statement of the README moves changes to the new name of a table.
func TestRenamedTable(t *testing.T) {
	db := resetDatabase(t, twoTablesSQL, "old", "items")
	start(t, withTables("items", "old"), sourcetest.NewCollector()).Stop()
	sourcetest.Exec(t, db, `INSERT INTO old VALUES (1), (2); ALTER TABLE old RENAME TO young`)
	sourcetest.Exec(t, db, outbox(t, "young").CreateSQL())
	c := sourcetest.NewCollector()
	gaps := sourcetest.RecordGaps(c)
	st := startSource(t, newQuickSource(t, withTables("items", "young")), c)
	sourcetest.Exec(t, db, `INSERT INTO young VALUES (3)`)
	st.Await(t, 1)
	gaps.AwaitGap(t, "changes of public.old are not delivered")
	sourcetest.Exec(t, db, `UPDATE gateway.outbox o SET tbl = 'public.young', id = n.id
		FROM (SELECT id AS was, nextval('gateway.outbox_id_seq') AS id FROM (SELECT id FROM gateway.outbox WHERE tbl = 'public.old' ORDER BY id) w) n WHERE o.id = n.was`)
	if got := sourcetest.Join(st.Await(t, 3), func(e *event.Event) string { return e.Key }); got != "public.young:3 public.young:1 public.young:2 " {
		t.Errorf("got %s", got)
	}
	if n := count(t, db, `SELECT count(*) FROM gateway.outbox WHERE tbl = 'public.old'`); n != 0 {
		t.Errorf("%d are left", n)
	}
}

// TestUnclaimedChangesFromDump proves that unclaimed changes with higher transaction ids of another
// server do not count as reused ids.
func TestUnclaimedChangesFromDump(t *testing.T) {
	db := resetDatabase(t, twoTablesSQL, "old", "items")
	sourcetest.Exec(t, db, `INSERT INTO gateway.outbox (xid, op, tbl, new) SELECT '99999999999', 'I', 'public.old', '{"id":1}' FROM generate_series(1, 3)`)
	c := sourcetest.NewCollector()
	gaps := sourcetest.RecordGaps(c)
	st := startSource(t, newQuickSource(t, withTables("items")), c)
	for i := range 5 { // what deletes one looks for late ones among those before
		sourcetest.Exec(t, db, `INSERT INTO items VALUES ($1)`, i)
		awaitCursor(t, db, fmt.Sprintf(`hi = %d AND (SELECT count(*) = 3 FROM gateway.outbox)`, i+4))
	}
	st.Await(t, 5)
	if n := gaps.AwaitGap(t, "changes of public.old are not delivered"); n != 1 || st.Repeated() > 0 {
		t.Errorf("%d gaps, %d changes came again: %q", n, st.Repeated(), gaps.Reasons())
	}
	st.Stop()
}

// TestUnclaimedChangesDuringOpenTransaction proves that pending ranges are merged when nothing is left
// between them, also beside unclaimed changes.
func TestUnclaimedChangesDuringOpenTransaction(t *testing.T) {
	db := resetDatabase(t, twoTablesSQL, "old", "items")
	st := startSource(t, newQuickSource(t, withTables("items")), sourcetest.NewCollector())
	open := newSession(t)
	sourcetest.Exec(t, open, `BEGIN`)
	const rows = 50
	for i := range rows {
		if i%(rows/2) == 0 {
			sourcetest.Exec(t, db, `INSERT INTO old VALUES ($1)`, i)
		}
		sourcetest.Exec(t, open, `INSERT INTO items VALUES ($1)`, 2*i)
		sourcetest.Exec(t, db, `INSERT INTO items VALUES ($1)`, 2*i+1)
	}
	awaitCursor(t, db, `hi = 102`)
	begin := time.Now()
	for i := 2 * rows; count(t, db, `SELECT count(*) FROM gateway.outbox_reader, unnest(gaps)`) > 2; i++ {
		if time.Since(begin) > testenv.Wait {
			t.Fatalf("%d gaps", count(t, db, `SELECT count(*) FROM gateway.outbox_reader, unnest(gaps)`))
		}
		sourcetest.Exec(t, db, `INSERT INTO items VALUES ($1)`, i) // so that the gaps are stored
	}
	sourcetest.Exec(t, open, `COMMIT`)
	awaitCursor(t, db, `gaps = '{}' AND low = hi AND (SELECT count(*) = 2 FROM gateway.outbox)`)
	if n := testutil.ToFloat64(st.source.skipped); n != 2 {
		t.Errorf("what no reader has the table of was read %v times", n)
	}
	st.Stop()
}

// TestUnclaimedChangesWithManyPendingRanges proves that the time to count unclaimed changes does not
// grow with the product of both.
func TestUnclaimedChangesWithManyPendingRanges(t *testing.T) {
	db := resetDatabase(t, twoTablesSQL, "old", "items")
	sourcetest.Exec(t, db, `INSERT INTO gateway.outbox (op, tbl, new) SELECT 'I', 'public.old', '{"id":1}' FROM generate_series(1, 20000)`)
	sourcetest.Exec(t, db, `INSERT INTO gateway.outbox_reader (name, hi, gaps, snapshot) SELECT 'behind', 200000, range_agg(int8range(100000+2*i, 100000+2*i, '[]')), '{"reads":["public.items"]}' FROM generate_series(1, 50000) i`)
	st := startSource(t, newQuickSource(t, withTables("items")), sourcetest.NewCollector())
	testenv.Eventually(t, testenv.Wait, "deleted down to the bound", func() bool { return count(t, db, `SELECT count(*) FROM gateway.outbox`) <= maxUnclaimed })
	st.Stop()
	if n := len(st.Errs); n > 0 {
		t.Errorf("%d runs have failed: %v", n, <-st.Errs)
	}
}
