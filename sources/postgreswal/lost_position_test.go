package postgreswal

import (
	"testing"

	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// TestPositionOfAnotherDatabase proves that a position from another database, as after a dump was loaded, is a gap. No change of this
// database is skipped because its LSN is lower.
func TestPositionOfAnotherDatabase(t *testing.T) {
	db := kind.Reset(t, sourcetest.ItemsSQL, "items")
	sourcetest.Exec(t, db, `INSERT INTO gateway.wal_reader (slot, token, history, commit, index, saved) VALUES ('gateway', 7, '123/456/1', 'FF/0', 3, now())`)
	out := sourcetest.NewCollector()
	gaps := sourcetest.RecordGaps(out)
	st := start(t, asChange, out)
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (1)")
	if got := sourcetest.OperationsOf(t, st.Await(t, 1)); got != "I1" {
		t.Errorf("got %s", got)
	}
	gaps.RequireOneGap(t, "belongs to another database")
	testenv.WaitForSQL(t, db, "SELECT commit < 'FF/0' FROM gateway.wal_reader")
}

// TestLostPositionKeepsTheSpool proves that the changes in the spool are delivered although the row of the slot is gone.
func TestLostPositionKeepsTheSpool(t *testing.T) {
	l := newLagging(t, spooled(t))
	out := newBlockingOutput()
	f, _ := l.start(out)
	unblock := out.block()
	for range 3 {
		l.write(100, 5)
	}
	awaitConfirmed(t, l.db)
	f.Stop()
	unblock()
	testenv.WaitForSQL(t, l.db, "SELECT NOT active FROM pg_replication_slots")
	sourcetest.Exec(t, l.db, "DELETE FROM gateway.wal_reader")
	f, _ = l.start(newBlockingOutput())
	l.write(100, 5)
	f.AwaitItems(t, 1, l.next-1, 1)
	if len(f.Reasons()) > 0 {
		t.Errorf("gaps %q", f.Reasons())
	}
}
