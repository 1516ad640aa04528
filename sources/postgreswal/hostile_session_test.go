package postgreswal

import (
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// TestBlockedReaderKeepsItsConnection proves that a server with a short wal_sender_timeout does not end the connection of a
// reader that a sink blocks.
func TestBlockedReaderKeepsItsConnection(t *testing.T) {
	server := testenv.StartPostgres(t, "-c", "wal_sender_timeout=1s")
	db := testenv.ConnectTo(t, server)
	sourcetest.Exec(t, db, sourcetest.ItemsSQL+"ALTER TABLE items ADD note text")
	kind.Install(t, db, "items")
	out := sourcetest.NewCollector()
	out.Withhold = func(_ *event.Event, withheld int) bool { return withheld < 10 }
	st := start(t, func(o *Options) { o.URL, o.Output, o.InFlight = options.NewURL(server.URL()), "change", 10 }, out)
	sourcetest.Exec(t, db, "INSERT INTO items (id, note) SELECT n, repeat(md5(n::text), 3000) FROM generate_series(1, 600) n") // 58 MB
	st.Await(t, 10)
	time.Sleep(6 * time.Second)
	if text := st.LastError(); text != "" {
		t.Errorf("a run has ended: %s", text)
	}
	out.SettleWithheld(nil)
	st.Await(t, 600)
}

// TestSlotWaitsForOpenTransactions proves that the slot is made although a transaction is open for longer than the role's bounds for
// statements and locks.
func TestSlotWaitsForOpenTransactions(t *testing.T) {
	server := testenv.StartPostgres(t, "-c", "statement_timeout=500ms", "-c", "lock_timeout=500ms")
	db := testenv.ConnectTo(t, server)
	sourcetest.Exec(t, db, sourcetest.ItemsSQL)
	kind.Install(t, db, "items")
	sourcetest.Exec(t, db, "SELECT pg_drop_replication_slot('gateway')")
	sourcetest.Exec(t, db, "BEGIN")
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (1)")
	s := newSource(t, func(o *Options) { o.URL, o.Output = options.NewURL(server.URL()), "change" })
	out := sourcetest.NewCollector()
	ended := make(chan error, 1)
	go func() { ended <- s.Run(t.Context(), out) }()
	select {
	case err := <-ended:
		t.Fatalf("the run has ended: %v", err)
	case <-time.After(2 * time.Second): // the promise: longer than the bounds
	}
	sourcetest.Exec(t, db, "COMMIT")
	select {
	case err := <-ended:
		t.Fatalf("the run has ended: %v", err)
	case <-out.Connected:
	}
}
