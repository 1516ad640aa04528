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
