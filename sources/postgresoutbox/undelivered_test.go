package postgresoutbox

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// ofRow reports whether an event is of the row with an id.
func ofRow(e *event.Event, id string) bool { return strings.HasSuffix(e.Key, ":"+id) }

// TestUndeliveredChangeDelaysNoOther proves that an undelivered change keeps no other from being
// delivered, stored and deleted. Delivered changes are not delivered again after a kill.
func TestUndeliveredChangeDelaysNoOther(t *testing.T) {
	const rows = 50_000
	db := resetDatabase(t, sourcetest.ItemsSQL, "items")
	out := sourcetest.NewCollector()
	out.Withhold = func(e *event.Event, _ int) bool { return ofRow(e, "3") }
	st := start(t, nil, out)
	sourcetest.Exec(t, db, "INSERT INTO items SELECT generate_series(1, 10)")
	st.Await(t, 10)
	sourcetest.Exec(t, db, "INSERT INTO items SELECT generate_series(11, $1)", rows)
	st.Await(t, rows)
	awaitCursor(t, db, "hi = 50000 AND gaps = '{[3,4)}' AND low = 2 AND (SELECT count(*) = 1 FROM gateway.outbox)")
	st.source.lastReader = nil // killed: nothing is stored at the end
	st.Stop()
	if st.Repeated() > 0 {
		t.Errorf("%d events came again", st.Repeated())
	}

	out = sourcetest.NewCollector()
	out.Withhold = func(e *event.Event, _ int) bool { return ofRow(e, "3") }
	st = start(t, nil, out)
	sourcetest.Exec(t, db, "UPDATE items SET v = 2 WHERE id = 3; INSERT INTO items VALUES (0)")
	for i, e := range st.Await(t, 3) {
		if want := []string{"3", "3", "0"}[i]; !ofRow(e, want) {
			t.Errorf("event %d is %s, want %s", i, e.Key, want)
		}
	}
	awaitCursor(t, db, "hi = 50002 AND gaps = '{[3,4),[50001,50002)}' AND (SELECT count(*) = 2 FROM gateway.outbox)")
	out.SettleWithheld(nil)
	awaitCursor(t, db, "hi = 50002 AND gaps = '{}' AND low = hi AND (SELECT count(*) = 0 FROM gateway.outbox)")
}

// TestUndeliveredChangesStallAtInFlight proves that the source stalls at in_flight undelivered changes,
// and resumes when one is settled.
func TestUndeliveredChangesStallAtInFlight(t *testing.T) {
	db := resetDatabase(t, sourcetest.ItemsSQL, "items")
	out := sourcetest.NewCollector()
	out.Withhold = func(_ *event.Event, withheld int) bool { return withheld < 100 }
	s := newSource(t, func(o *Options) { o.InFlight = 100 })
	s.stallAfter = 200 * time.Millisecond
	st := startSource(t, s, out)
	sourcetest.Exec(t, db, "INSERT INTO items SELECT generate_series(1, 1000)")
	st.Await(t, 100)
	awaitCursor(t, db, "gaps = '{[1,101)}'")
	sourcetest.Exec(t, db, "UPDATE gateway.outbox SET at = at - interval '1 hour' WHERE id < 3")
	if found := fmt.Sprint(newSource(t, func(o *Options) { o.InFlight = 100 }).Probe(t.Context())); !strings.Contains(found, "2 changes were read and are not delivered, the oldest 60 minutes old") {
		t.Error(found)
	}
	if reason := <-out.Stalled; !strings.Contains(reason, "100 events are in flight") {
		t.Errorf("stalled: %s", reason)
	}
	out.SettleWithheld(nil)
	for reason := "?"; reason != ""; {
		reason = <-out.Stalled
	}
	st.Await(t, 1000)
	awaitCursor(t, db, "hi = 1000 AND gaps = '{}' AND (SELECT count(*) = 0 FROM gateway.outbox)")
}

// TestNackedChangeIsRedeliveredInKeyOrder proves that later changes of a row follow a nacked one again.
func TestNackedChangeIsRedeliveredInKeyOrder(t *testing.T) {
	db := resetDatabase(t, sourcetest.ItemsSQL, "items")
	out := sourcetest.NewCollector()
	out.Withhold = func(e *event.Event, withheld int) bool { return ofRow(e, "1") && withheld == 0 }
	st := start(t, asChange, out)
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (1)")
	st.Await(t, 1)
	sourcetest.Exec(t, db, "UPDATE items SET v = 2; INSERT INTO items VALUES (2)") // the sink takes these
	st.Await(t, 3)
	awaitCursor(t, db, "hi = 3 AND gaps = '{[1,2)}'")
	out.SettleWithheld(errors.New("the sink is away"))
	<-st.Errs
	awaitCursor(t, db, "hi = 3 AND gaps = '{}'")
	if st.Repeated() != 1 {
		t.Errorf("%d came again", st.Repeated())
	}
}

// TestDeletionWaitsForAllReaders proves that exactly the changes that a reader has not settled stay.
func TestDeletionWaitsForAllReaders(t *testing.T) {
	db := resetDatabase(t, sourcetest.ItemsSQL, "items")
	one, other := sourcetest.NewCollector(), sourcetest.NewCollector()
	one.Withhold = func(e *event.Event, _ int) bool { return ofRow(e, "3") }
	other.Withhold = func(e *event.Event, _ int) bool { return ofRow(e, "3") || ofRow(e, "7") }
	a := start(t, nil, one)
	b := start(t, func(o *Options) { o.Name = "other" }, other)
	sourcetest.Exec(t, db, "INSERT INTO items SELECT generate_series(1, 1000)")
	a.Await(t, 1000)
	b.Await(t, 1000)
	left := "(SELECT array_agg(id) = '{3,7}' FROM gateway.outbox)"
	awaitTrue(t, db, left)
	other.SettleWithheld(nil)
	awaitTrue(t, db, "(SELECT array_agg(id) = '{3}' FROM gateway.outbox)")
	one.SettleWithheld(nil)
	awaitTrue(t, db, "(SELECT count(*) = 0 FROM gateway.outbox)")
}

// awaitTrue waits until a condition is true in the database.
func awaitTrue(t *testing.T, db *pgx.Conn, condition string) {
	t.Helper()
	testenv.WaitForSQL(t, db, "SELECT coalesce("+condition+", false)")
}
