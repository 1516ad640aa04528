package postgresoutbox

import (
	"fmt"
	"strings"
	"testing"

	"eventgateway/gateway/event"
)

const itemsSQL = `CREATE TABLE items (id int PRIMARY KEY, v int NOT NULL DEFAULT 1);`

// operationsOf lists operations and rows in the order of arrival: "I1 U1 D2".
func operationsOf(t *testing.T, events []*event.Event) string {
	return strings.TrimSpace(joinEvents(events, func(e *event.Event) string {
		c := changeOf(t, e)
		row := c.New
		if row == nil {
			row = c.Old
		}
		return fmt.Sprintf("%c%v", c.Operation[0], row["id"])
	}))
}

// TestOpenTransactionDoesNotDelayOthers proves that others' changes arrive in order during an open
// transaction, whose own arrive when it commits.
func TestOpenTransactionDoesNotDelayOthers(t *testing.T) {
	db := resetDatabase(t, itemsSQL+"INSERT INTO items SELECT n FROM generate_series(1, 3) n;", "items")
	late := newSession(t)
	st := start(t, asChange, newCollector())
	run(t, late, "BEGIN; UPDATE items SET v = 2 WHERE id = 1; SAVEPOINT s; UPDATE items SET v = 3 WHERE id = 1")
	for v := 2; v <= 100; v++ {
		run(t, db, "UPDATE items SET v = $1 WHERE id = 2", v)
	}
	st.await(t, 99)
	run(t, late, "ROLLBACK TO s; DELETE FROM items WHERE id = 3; COMMIT")
	run(t, db, "UPDATE items SET v = 4 WHERE id = 1")
	events := st.await(t, 102)
	if got := operationsOf(t, events[99:]); got != "U1 D3 U1" {
		t.Errorf("arrived after the commit: %s", got)
	}
	for i, e := range events[:99] {
		if v := changeOf(t, e).New["v"]; v != float64(i+2) {
			t.Fatalf("change %d has v %v", i, v)
		}
	}
	awaitCursor(t, db, "gaps = '{}' AND low = hi") // the savepoint's id is dead
}

// TestAbortedTransactions proves that ids of aborted transactions do not stay pending, and that none of
// their changes arrive.
func TestAbortedTransactions(t *testing.T) {
	db := resetDatabase(t, itemsSQL, "items")
	st := start(t, asChange, newCollector())
	for i := range 20 {
		run(t, db, fmt.Sprintf("BEGIN; INSERT INTO items VALUES (%d); ROLLBACK; INSERT INTO items VALUES (%d)", 100+i, i))
	}
	events := st.await(t, 20)
	for i, e := range events {
		if id := changeOf(t, e).New["id"]; id != float64(i) {
			t.Errorf("event %d is of row %v", i, id)
		}
	}
	awaitCursor(t, db, "hi = 40 AND gaps = '{}' AND low = 40 AND NOT EXISTS (SELECT FROM gateway.outbox)")
}

// TestDeletionKeepsPendingChanges proves that neither pending changes nor those that another reader has
// not read are deleted.
func TestDeletionKeepsPendingChanges(t *testing.T) {
	db := resetDatabase(t, itemsSQL, "items")
	run(t, db, "INSERT INTO gateway.outbox_reader (name) VALUES ('other')")
	late := newSession(t)
	st := start(t, asChange, newCollector())
	run(t, db, "INSERT INTO items VALUES (1)")
	st.await(t, 1)
	run(t, late, "BEGIN; INSERT INTO items VALUES (2)")
	run(t, db, "INSERT INTO items VALUES (3)")
	st.await(t, 2)
	awaitCursor(t, db, "bool_or(name = 'gateway' AND low = 1 AND hi = 3) OVER () AND (SELECT count(*) = 2 FROM gateway.outbox)")
	run(t, db, "DELETE FROM gateway.outbox_reader WHERE name = 'other'")
	awaitCursor(t, db, "gaps = '{[2,3)}' AND (SELECT count(*) = 0 FROM gateway.outbox)")
	run(t, late, "COMMIT")
	st.await(t, 3)
	awaitCursor(t, db, "low = 3 AND (SELECT count(*) = 0 FROM gateway.outbox)")
}

// TestSequenceWithCacheIsRefused proves that a sequence with a cache, which loses changes, is an error.
func TestSequenceWithCacheIsRefused(t *testing.T) {
	db := resetDatabase(t, itemsSQL, "items")
	st := start(t, nil, newCollector())
	run(t, db, "INSERT INTO items VALUES (1), (2)")
	st.await(t, 2)
	awaitCursor(t, db, "hi = 2")
	st.stop()
	for sql, want := range map[string]string{
		"ALTER TABLE gateway.outbox ALTER COLUMN id SET CACHE 10": "CACHE 10",
		"DROP SCHEMA gateway CASCADE":                             "there is no outbox in this database",
	} {
		if strings.HasPrefix(sql, "DROP") {
			continue
		}
		run(t, db, sql)
		err := newSource(t, nil).Run(t.Context(), newCollector())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", sql, err)
		}
		run(t, db, "ALTER TABLE gateway.outbox ALTER COLUMN id SET CACHE 1; SELECT setval('gateway.outbox_id_seq', 2)")
	}
	run(t, db, "DROP SCHEMA gateway CASCADE")
	if err := newSource(t, nil).Run(t.Context(), newCollector()); err == nil || !strings.Contains(err.Error(), "there is no outbox in this database") {
		t.Errorf("without an outbox: %v", err)
	}
}
