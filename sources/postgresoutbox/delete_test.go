package postgresoutbox

import "testing"

// TestDeletionKeepsUp proves that deletion continues without a pause while many delivered changes are
// left.
func TestDeletionKeepsUp(t *testing.T) {
	db := resetDatabase(t, itemsSQL, "items")
	const rows = 100_000
	run(t, db, `INSERT INTO gateway.outbox (op, tbl, new) SELECT 'I', 'public.items', '{"id":1}' FROM generate_series(1, 100000)`)
	s := newSource(t, func(o *Options) { o.Tables = []string{"items"} })
	s.deleteEvery *= 6
	st := startSource(t, s, newCollector())
	st.await(t, rows)
	awaitCursor(t, db, "(SELECT count(*) FROM gateway.outbox) = 0")
	st.stop()
}

// TestDeletionWithStatisticsOfEmptyOutbox proves that many changes are deleted after an ANALYZE that has found none.
func TestDeletionWithStatisticsOfEmptyOutbox(t *testing.T) {
	db := resetDatabase(t, itemsSQL, "items")
	start(t, nil, newCollector())
	writeItems(t, db, 1, 12_000)
	for id := -1; id > -3; id-- { // the files stay large
		awaitCursor(t, db, "hi > 0 AND NOT EXISTS (SELECT FROM gateway.outbox)")
		run(t, db, "VACUUM (ANALYZE, TRUNCATE false) gateway.outbox")
		run(t, db, "INSERT INTO items VALUES ($1, 0)", id)
	}
	run(t, db, "UPDATE items SET v = 1")
	awaitCursor(t, db, "hi = 24004 AND NOT EXISTS (SELECT FROM gateway.outbox)")
}

// TestPendingIDsAroundUncheckedChange proves that a delivered change between pending ids does not come again while
// it stays for another reader that has not checked it.
func TestPendingIDsAroundUncheckedChange(t *testing.T) {
	db, open := resetDatabase(t, itemsSQL, "items"), newSession(t)
	run(t, db, "INSERT INTO items VALUES (1, 0)")
	run(t, open, "BEGIN; INSERT INTO items VALUES (2, 0)")
	run(t, db, "INSERT INTO items VALUES (3, 0)")
	run(t, open, "INSERT INTO items VALUES (4, 0)")
	run(t, db, "INSERT INTO items VALUES (5, 0)")
	run(t, db, `INSERT INTO gateway.outbox_reader (name, token, hi, low, snapshot)
		SELECT 'other', 1, 5, 5, json_build_object('checked', format('%1$s:%2$s:%1$s', xid, xid::text::bigint + 1000)) FROM gateway.outbox WHERE id = 3`)
	c := newCollector()
	st := start(t, nil, c)
	awaitCursor(t, db, "(SELECT array_agg(id) FROM gateway.outbox) = '{3}'")
	run(t, open, "COMMIT")
	st.await(t, 5)
	awaitCursor(t, db, "(SELECT array_agg(id) FROM gateway.outbox) = '{3}'")
	st.stop()
	if c.repeated > 0 || len(st.errs) > 0 {
		t.Errorf("%d events came again, %d runs have failed", c.repeated, len(st.errs))
	}
}
