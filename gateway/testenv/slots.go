package testenv

import (
	"testing"

	"github.com/jackc/pgx/v5"
)

// DropSlots drops all replication slots of a server, and the publication gateway of a database. It ends the sessions that read the slots,
// which a stopped gateway may have left for a moment.
func DropSlots(t testing.TB, conn *pgx.Conn) {
	t.Helper()
	Eventually(t, Wait, "dropped: all slots", func() bool {
		var left int
		if err := conn.QueryRow(Context(t), "SELECT count(pg_terminate_backend(active_pid)) FROM pg_replication_slots WHERE active").Scan(&left); err != nil {
			t.Fatal(err)
		}
		// An error is that of a slot that has become active meanwhile.
		_, err := conn.Exec(Context(t), "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active")
		return left == 0 && err == nil
	})
	if _, err := conn.Exec(Context(t), "DROP PUBLICATION IF EXISTS gateway"); err != nil {
		t.Fatal(err)
	}
}
