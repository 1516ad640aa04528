package sourcetest

import (
	"testing"
	"time"

	"eventgateway/gateway/testenv"
)

// IdleSessionsAreNotEnded proves that the server's bounds for idle sessions and for senders do not end a source without changes.
func (k Kind) IdleSessionsAreNotEnded(t *testing.T) {
	t.Parallel()
	server := testenv.StartPostgres(t, "-c", "idle_session_timeout=1s", "-c", "default_transaction_isolation=serializable", "-c", "wal_sender_timeout=1s")
	db := testenv.ConnectTo(t, server)
	Exec(t, db, "SET idle_session_timeout = 0; "+ItemsSQL+"ALTER TABLE items ADD note text, ALTER note SET STORAGE EXTERNAL")
	k.Install(t, db, "items")
	Exec(t, db, "ALTER TABLE items REPLICA IDENTITY DEFAULT") // so that a source that reads the WAL reads the note back
	f := k.Follow(t, Settings{URL: server.URL()})
	for n := range 2 {
		Exec(t, db, "INSERT INTO items VALUES ($1, 0, repeat('x', 5000))", n)
		Exec(t, db, "UPDATE items SET v = 1 WHERE id = $1", n)
		f.Await(t, 2*n+2)
		time.Sleep(3 * time.Second) // the promise: longer than the timeouts
	}
	if text := f.LastError(); text != "" {
		t.Errorf("a run has ended: %s", text)
	}
}
