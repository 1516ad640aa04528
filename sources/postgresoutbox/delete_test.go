package postgresoutbox

import (
	"testing"

	"eventgateway/gateway/testenv/sourcetest"
)

// TestDeletionKeepsUp proves that deletion continues without a pause while many delivered changes are
// left.
func TestDeletionKeepsUp(t *testing.T) {
	db := resetDatabase(t, sourcetest.ItemsSQL, "items")
	const rows = 100_000
	sourcetest.Exec(t, db, `INSERT INTO gateway.outbox (op, tbl, new) SELECT 'I', 'public.items', '{"id":1}' FROM generate_series(1, 100000)`)
	s := newSource(t, func(o *Options) { o.Tables = []string{"items"} })
	s.deleteEvery *= 6
	st := startSource(t, s, sourcetest.NewCollector())
	st.Await(t, rows)
	awaitCursor(t, db, "(SELECT count(*) FROM gateway.outbox) = 0")
	st.Stop()
}

// TestDeletionWithStatisticsOfEmptyOutbox proves that many changes are deleted after an ANALYZE that has found none.
func TestDeletionWithStatisticsOfEmptyOutbox(t *testing.T) {
	db := resetDatabase(t, sourcetest.ItemsSQL, "items")
	start(t, nil, sourcetest.NewCollector())
	writeItems(t, db, 1, 12_000)
	for id := -1; id > -3; id-- { // the files stay large
		awaitCursor(t, db, "hi > 0 AND NOT EXISTS (SELECT FROM gateway.outbox)")
		sourcetest.Exec(t, db, "VACUUM (ANALYZE, TRUNCATE false) gateway.outbox")
		sourcetest.Exec(t, db, "INSERT INTO items VALUES ($1, 0)", id)
	}
	sourcetest.Exec(t, db, "UPDATE items SET v = 1")
	awaitCursor(t, db, "hi = 24004 AND NOT EXISTS (SELECT FROM gateway.outbox)")
}

// TestPendingIDsAroundUncheckedChange proves that a delivered change between pending ids does not come again while
// it stays for another reader that has not checked it.
func TestPendingIDsAroundUncheckedChange(t *testing.T) {
	db, open := resetDatabase(t, sourcetest.ItemsSQL, "items"), newSession(t)
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (1, 0)")
	sourcetest.Exec(t, open, "BEGIN; INSERT INTO items VALUES (2, 0)")
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (3, 0)")
	sourcetest.Exec(t, open, "INSERT INTO items VALUES (4, 0)")
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (5, 0)")
	sourcetest.Exec(t, db, `INSERT INTO gateway.outbox_reader (name, token, hi, low, snapshot)
		SELECT 'other', 1, 5, 5, json_build_object('checked', format('%1$s:%2$s:%1$s', xid, xid::text::bigint + 1000)) FROM gateway.outbox WHERE id = 3`)
	c := sourcetest.NewCollector()
	st := start(t, nil, c)
	awaitCursor(t, db, "(SELECT array_agg(id) FROM gateway.outbox) = '{3}'")
	sourcetest.Exec(t, open, "COMMIT")
	st.Await(t, 5)
	awaitCursor(t, db, "(SELECT array_agg(id) FROM gateway.outbox) = '{3}'")
	st.Stop()
	if c.Repeated() > 0 || len(st.Errs) > 0 {
		t.Errorf("%d events came again, %d runs have failed", c.Repeated(), len(st.Errs))
	}
}
