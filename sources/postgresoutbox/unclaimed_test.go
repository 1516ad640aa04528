package postgresoutbox

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"eventgateway/gateway/event"
	"eventgateway/gateway/testenv"
)

// gapRecorder records gaps, and waits for one with a text.
type gapRecorder struct {
	mu      sync.Mutex
	reasons []string
	more    chan struct{}
}

func recordGaps(c *collector) *gapRecorder {
	g := &gapRecorder{more: make(chan struct{}, 1)}
	c.gap = func(reason string) {
		g.mu.Lock()
		g.reasons = append(g.reasons, reason)
		g.mu.Unlock()
		select {
		case g.more <- struct{}{}:
		default:
		}
	}
	return g
}

// await waits for a gap with a text, and returns how many there were in all.
func (g *gapRecorder) await(t *testing.T, text string) int {
	t.Helper()
	deadline := time.After(testenv.Wait)
	for {
		g.mu.Lock()
		all := slices.Clone(g.reasons)
		g.mu.Unlock()
		if slices.ContainsFunc(all, func(reason string) bool { return strings.Contains(reason, text) }) {
			return len(all)
		}
		select {
		case <-g.more:
		case <-deadline:
			t.Fatalf("no gap has %q: %q", text, all)
		}
	}
}

func withTables(tables ...string) func(*Options) {
	return func(o *Options) { o.Tables = tables }
}

func newQuickSource(t *testing.T, set func(*Options)) *source {
	s := newSource(t, set)
	s.deleteEvery, s.measureEvery = 10*time.Millisecond, 10*time.Millisecond
	return s
}

func joinChannels(events []*event.Event) string {
	return joinEvents(events, func(e *event.Event) string { return e.Channel })
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
	c := newCollector()
	gaps := recordGaps(c)
	s := newQuickSource(t, withTables("items"))
	st := startSource(t, s, c)
	run(t, db, `INSERT INTO old VALUES (1); INSERT INTO items VALUES (1); INSERT INTO old VALUES (2), (3); INSERT INTO items VALUES (2)`)
	st.await(t, 2)
	if n := gaps.await(t, "changes of public.old are not delivered"); n != 1 {
		t.Errorf("%d gaps", n)
	}
	awaitCursor(t, db, `low = 5 AND (SELECT count(*) = 3 FROM gateway.outbox)`)
	testenv.Eventually(t, testenv.Wait, "3 unclaimed rows in the gauge", func() bool { return testutil.ToFloat64(s.unclaimedRows) == 3 })
	if n := testutil.ToFloat64(s.skipped); n != 3 {
		t.Errorf("%v are counted", n)
	}
	st.stop()
	s = newQuickSource(t, withTables("items", "old"))
	s.maxCheckIDs = 2 // changes of the table lie in three parts
	st = startSource(t, s, newCollector())
	run(t, db, `INSERT INTO old VALUES (4)`)
	events := st.await(t, 4)
	if got := joinEvents(events, func(e *event.Event) string { return e.Key }); got != "public.old:1 public.old:2 public.old:3 public.old:4 " {
		t.Errorf("then come %s", got)
	}
	awaitCursor(t, db, `low = 6 AND (SELECT count(*) = 0 FROM gateway.outbox)`)
	st.stop()
}

// TestTableOfAnotherReader proves that a table of another reader is no gap, and that changes that all
// have read are deleted.
func TestTableOfAnotherReader(t *testing.T) {
	db := resetDatabase(t, twoTablesSQL, "old", "items")
	var all []*runningSource
	for _, name := range []string{"old", "items"} {
		c := newCollector()
		c.gap = func(reason string) { t.Errorf("%s: gap: %s", name, reason) }
		all = append(all, startSource(t, newQuickSource(t, func(o *Options) { o.Name, o.Tables = name, []string{name} }), c))
	}
	run(t, db, `INSERT INTO old VALUES (1); INSERT INTO items VALUES (1)`)
	for i, want := range []string{"public.old ", "public.items "} {
		if got := joinChannels(all[i].await(t, 1)); got != want {
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
	st := startSource(t, s, newCollector())
	run(t, db, `INSERT INTO old SELECT generate_series(1, 100); INSERT INTO items VALUES (1)`)
	st.await(t, 1)
	awaitCursor(t, db, `(SELECT count(*) = 10 AND min(id) = 91 FROM gateway.outbox)`)
	st.stop()
	if n := testutil.ToFloat64(s.unclaimedDeleted); n != 90 {
		t.Errorf("%v deleted changes are counted", n)
	}
}

// TestRenamedTable proves that the statement of the README moves changes to the new name of a table.
func TestRenamedTable(t *testing.T) {
	db := resetDatabase(t, twoTablesSQL, "old", "items")
	start(t, withTables("items", "old"), newCollector()).stop()
	run(t, db, `INSERT INTO old VALUES (1), (2); ALTER TABLE old RENAME TO young`)
	run(t, db, outbox(t, "young").CreateSQL())
	c := newCollector()
	gaps := recordGaps(c)
	st := startSource(t, newQuickSource(t, withTables("items", "young")), c)
	run(t, db, `INSERT INTO young VALUES (3)`)
	st.await(t, 1)
	gaps.await(t, "changes of public.old are not delivered")
	run(t, db, `UPDATE gateway.outbox o SET tbl = 'public.young', id = n.id
		FROM (SELECT id AS was, nextval('gateway.outbox_id_seq') AS id FROM (SELECT id FROM gateway.outbox WHERE tbl = 'public.old' ORDER BY id) w) n WHERE o.id = n.was`)
	if got := joinEvents(st.await(t, 3), func(e *event.Event) string { return e.Key }); got != "public.young:3 public.young:1 public.young:2 " {
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
	run(t, db, `INSERT INTO gateway.outbox (xid, op, tbl, new) SELECT '99999999999', 'I', 'public.old', '{"id":1}' FROM generate_series(1, 3)`)
	c := newCollector()
	gaps := recordGaps(c)
	st := startSource(t, newQuickSource(t, withTables("items")), c)
	for i := range 5 { // what deletes one looks for late ones among those before
		run(t, db, `INSERT INTO items VALUES ($1)`, i)
		awaitCursor(t, db, fmt.Sprintf(`hi = %d AND (SELECT count(*) = 3 FROM gateway.outbox)`, i+4))
	}
	st.await(t, 5)
	if n := gaps.await(t, "changes of public.old are not delivered"); n != 1 || st.repeated > 0 {
		t.Errorf("%d gaps, %d changes came again: %q", n, st.repeated, gaps.reasons)
	}
	st.stop()
}

// TestUnclaimedChangesDuringOpenTransaction proves that pending ranges are merged when nothing is left
// between them, also beside unclaimed changes.
func TestUnclaimedChangesDuringOpenTransaction(t *testing.T) {
	db := resetDatabase(t, twoTablesSQL, "old", "items")
	st := startSource(t, newQuickSource(t, withTables("items")), newCollector())
	open := newSession(t)
	run(t, open, `BEGIN`)
	const rows = 50
	for i := range rows {
		if i%(rows/2) == 0 {
			run(t, db, `INSERT INTO old VALUES ($1)`, i)
		}
		run(t, open, `INSERT INTO items VALUES ($1)`, 2*i)
		run(t, db, `INSERT INTO items VALUES ($1)`, 2*i+1)
	}
	awaitCursor(t, db, `hi = 102`)
	begin := time.Now()
	for i := 2 * rows; count(t, db, `SELECT count(*) FROM gateway.outbox_reader, unnest(gaps)`) > 2; i++ {
		if time.Since(begin) > testenv.Wait {
			t.Fatalf("%d gaps", count(t, db, `SELECT count(*) FROM gateway.outbox_reader, unnest(gaps)`))
		}
		run(t, db, `INSERT INTO items VALUES ($1)`, i) // so that the gaps are stored
	}
	run(t, open, `COMMIT`)
	awaitCursor(t, db, `gaps = '{}' AND low = hi AND (SELECT count(*) = 2 FROM gateway.outbox)`)
	if n := testutil.ToFloat64(st.source.skipped); n != 2 {
		t.Errorf("what no reader has the table of was read %v times", n)
	}
	st.stop()
}

// TestUnclaimedChangesWithManyPendingRanges proves that the time to count unclaimed changes does not
// grow with the product of both.
func TestUnclaimedChangesWithManyPendingRanges(t *testing.T) {
	db := resetDatabase(t, twoTablesSQL, "old", "items")
	run(t, db, `INSERT INTO gateway.outbox (op, tbl, new) SELECT 'I', 'public.old', '{"id":1}' FROM generate_series(1, 20000)`)
	run(t, db, `INSERT INTO gateway.outbox_reader (name, hi, gaps, snapshot) SELECT 'behind', 200000, range_agg(int8range(100000+2*i, 100000+2*i, '[]')), '{"reads":["public.items"]}' FROM generate_series(1, 50000) i`)
	st := startSource(t, newQuickSource(t, withTables("items")), newCollector())
	testenv.Eventually(t, testenv.Wait, "deleted down to the bound", func() bool { return count(t, db, `SELECT count(*) FROM gateway.outbox`) <= maxUnclaimed })
	st.stop()
	if n := len(st.errs); n > 0 {
		t.Errorf("%d runs have failed: %v", n, <-st.errs)
	}
}
