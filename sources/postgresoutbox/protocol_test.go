package postgresoutbox

import (
	"fmt"
	"strings"
	"testing"

	"eventgateway/gateway/testenv/sourcetest"
)

// TestOpenTransactionDoesNotDelayOthers proves that others' changes arrive in order during an open
// transaction, whose own arrive when it commits.
func TestOpenTransactionDoesNotDelayOthers(t *testing.T) {
	db := resetDatabase(t, sourcetest.ItemsSQL+"INSERT INTO items SELECT n FROM generate_series(1, 3) n;", "items")
	late := newSession(t)
	st := start(t, asChange, sourcetest.NewCollector())
	sourcetest.Exec(t, late, "BEGIN; UPDATE items SET v = 2 WHERE id = 1; SAVEPOINT s; UPDATE items SET v = 3 WHERE id = 1")
	for v := 2; v <= 100; v++ {
		sourcetest.Exec(t, db, "UPDATE items SET v = $1 WHERE id = 2", v)
	}
	st.Await(t, 99)
	sourcetest.Exec(t, late, "ROLLBACK TO s; DELETE FROM items WHERE id = 3; COMMIT")
	sourcetest.Exec(t, db, "UPDATE items SET v = 4 WHERE id = 1")
	events := st.Await(t, 102)
	if got := sourcetest.OperationsOf(t, events[99:]); got != "U1 D3 U1" {
		t.Errorf("arrived after the commit: %s", got)
	}
	for i, e := range events[:99] {
		if v := sourcetest.ChangeOf(t, e).New["v"]; v != float64(i+2) {
			t.Fatalf("change %d has v %v", i, v)
		}
	}
	awaitCursor(t, db, "gaps = '{}' AND low = hi") // the savepoint's id is dead
}

// TestAbortedTransactions proves that ids of aborted transactions do not stay pending, and that none of
// their changes arrive.
func TestAbortedTransactions(t *testing.T) {
	db := resetDatabase(t, sourcetest.ItemsSQL, "items")
	st := start(t, asChange, sourcetest.NewCollector())
	for i := range 20 {
		sourcetest.Exec(t, db, fmt.Sprintf("BEGIN; INSERT INTO items VALUES (%d); ROLLBACK; INSERT INTO items VALUES (%d)", 100+i, i))
	}
	events := st.Await(t, 20)
	for i, e := range events {
		if id := sourcetest.ChangeOf(t, e).New["id"]; id != float64(i) {
			t.Errorf("event %d is of row %v", i, id)
		}
	}
	awaitCursor(t, db, "hi = 40 AND gaps = '{}' AND low = 40 AND NOT EXISTS (SELECT FROM gateway.outbox)")
}

// TestDeletionKeepsPendingChanges proves that neither pending changes nor those that another reader has
// not read are deleted.
func TestDeletionKeepsPendingChanges(t *testing.T) {
	db := resetDatabase(t, sourcetest.ItemsSQL, "items")
	sourcetest.Exec(t, db, "INSERT INTO gateway.outbox_reader (name) VALUES ('other')")
	late := newSession(t)
	st := start(t, asChange, sourcetest.NewCollector())
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (1)")
	st.Await(t, 1)
	sourcetest.Exec(t, late, "BEGIN; INSERT INTO items VALUES (2)")
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (3)")
	st.Await(t, 2)
	awaitCursor(t, db, "bool_or(name = 'gateway' AND low = 1 AND hi = 3) OVER () AND (SELECT count(*) = 2 FROM gateway.outbox)")
	sourcetest.Exec(t, db, "DELETE FROM gateway.outbox_reader WHERE name = 'other'")
	awaitCursor(t, db, "gaps = '{[2,3)}' AND (SELECT count(*) = 0 FROM gateway.outbox)")
	sourcetest.Exec(t, late, "COMMIT")
	st.Await(t, 3)
	awaitCursor(t, db, "low = 3 AND (SELECT count(*) = 0 FROM gateway.outbox)")
}

// TestSequenceWithCacheIsRefused proves that a sequence with a cache, which loses changes, is an error.
func TestSequenceWithCacheIsRefused(t *testing.T) {
	db := resetDatabase(t, sourcetest.ItemsSQL, "items")
	st := start(t, nil, sourcetest.NewCollector())
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (1), (2)")
	st.Await(t, 2)
	awaitCursor(t, db, "hi = 2")
	st.Stop()
	for sql, want := range map[string]string{
		"ALTER TABLE gateway.outbox ALTER COLUMN id SET CACHE 10": "CACHE 10",
		"DROP SCHEMA gateway CASCADE":                             "there is no outbox in this database",
	} {
		if strings.HasPrefix(sql, "DROP") {
			continue
		}
		sourcetest.Exec(t, db, sql)
		err := newSource(t, nil).Run(t.Context(), sourcetest.NewCollector())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", sql, err)
		}
		sourcetest.Exec(t, db, "ALTER TABLE gateway.outbox ALTER COLUMN id SET CACHE 1; SELECT setval('gateway.outbox_id_seq', 2)")
	}
	sourcetest.Exec(t, db, "DROP SCHEMA gateway CASCADE")
	if err := newSource(t, nil).Run(t.Context(), sourcetest.NewCollector()); err == nil || !strings.Contains(err.Error(), "there is no outbox in this database") {
		t.Errorf("without an outbox: %v", err)
	}
}
