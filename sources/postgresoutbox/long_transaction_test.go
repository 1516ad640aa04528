package postgresoutbox

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/testenv/sourcetest"
)

// writeInterleaved writes rows in an open transaction, while another session commits one after each. It
// returns the longest delivery time of the other session's changes.
func writeInterleaved(t *testing.T, open *pgx.Conn, st *runningSource, rows int) (slowest time.Duration) {
	t.Helper()
	other := newSession(t)
	sourcetest.Exec(t, open, "BEGIN")
	begun := make([]time.Time, 0, rows)
	for i := range rows {
		sourcetest.Exec(t, open, "INSERT INTO items VALUES ($1)", 2*i)
		begun = append(begun, time.Now())
		sourcetest.Exec(t, other, "INSERT INTO items VALUES ($1)", 2*i+1)
	}
	for i, e := range st.Await(t, rows) {
		slowest = max(slowest, e.Time.Sub(begun[i]))
	}
	return slowest
}

// TestOpenTransactionDelaysOnlyItself proves that interleaved changes of others are delivered while a
// transaction is open. Its own are delivered when it commits: each once, and in order.
func TestOpenTransactionDelaysOnlyItself(t *testing.T) {
	for _, end := range []string{"COMMIT", "ROLLBACK"} {
		t.Run(end, func(t *testing.T) {
			db := resetDatabase(t, sourcetest.ItemsSQL, "items")
			st := start(t, nil, sourcetest.NewCollector())
			open := newSession(t)
			interleaved := sourcetest.EnvInt(t, "INTERLEAVED", 12_000) // rows of it, and as many of others in between
			slowest := writeInterleaved(t, open, st, interleaved)
			t.Logf("others' changes took %v at most", slowest)
			if slowest > 10*time.Second { // they would wait for its end
				t.Errorf("others' changes took %v", slowest)
			}
			awaitCursor(t, db, "(SELECT count(*) = 0 FROM gateway.outbox)") // what was delivered is deleted
			sourcetest.Exec(t, open, end)
			sourcetest.Exec(t, db, "UPDATE items SET v = 1")
			n := 2 * interleaved // each of the others' rows was inserted and updated
			if end == "COMMIT" {
				n *= 2
			}
			inserted := map[string]bool{}
			for _, e := range st.Await(t, n) {
				operation, _ := e.Attr("operation")
				if operation == "UPDATE" && !inserted[e.Key] {
					t.Fatalf("%s was changed before it came", e.Key)
				}
				inserted[e.Key] = true
			}
			awaitCursor(t, db, "gaps = '{}' AND low = hi AND (SELECT count(*) = 0 FROM gateway.outbox)")
			if st.Repeated() > 0 {
				t.Errorf("%d changes came again", st.Repeated())
			}
		})
	}
}

// TestRestartDuringOpenTransaction proves that changes that were delivered during an open transaction
// are not delivered again after a kill.
func TestRestartDuringOpenTransaction(t *testing.T) {
	db := resetDatabase(t, sourcetest.ItemsSQL, "items")
	out := sourcetest.NewCollector()
	st := start(t, nil, out)
	open := newSession(t)
	writeInterleaved(t, open, st, 2000)
	awaitCursor(t, db, "(SELECT count(*) = 0 FROM gateway.outbox)")
	st.source.lastReader = nil // nothing is stored at the end
	st.Stop()
	sourcetest.Exec(t, open, "COMMIT")
	st = start(t, nil, out)
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (-1)")
	events := st.Await(t, 4001)
	if st.Repeated() > 0 {
		t.Errorf("%d changes came again", st.Repeated())
	}
	if last := events[4000]; !strings.HasSuffix(last.Key, ":-1") {
		t.Errorf("%s came last", sourcetest.Join(events[4000:], func(e *event.Event) string { return fmt.Sprint(e.Key) }))
	}
}
