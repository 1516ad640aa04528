package postgresnotify

import (
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
)

// TestIdleSessionsAreNotEnded proves that the server's bound for idle sessions does not end the session that listens, which would be a gap.
// Nor does it prevent that the row of an event is fetched, in another session.
func TestIdleSessionsAreNotEnded(t *testing.T) {
	t.Parallel()
	server := testenv.StartPostgres(t, "-c", "idle_session_timeout=1s")
	db := testenv.ConnectTo(t, server)
	exec(t, db, "SET idle_session_timeout = 0; CREATE TABLE large (id int PRIMARY KEY, big text);"+trigger("public", "large"))
	next := startListening(t, func(o *Options) { o.URL, o.Heartbeat = options.NewURL(server.URL()), options.Duration(time.Minute) })
	for n := range 2 {
		exec(t, db, "INSERT INTO large VALUES ($1, repeat('x', 9000))", n)
		if got := next(); !strings.Contains(got, strings.Repeat("x", 9000)) {
			t.Errorf("row %d: %.200s", n, got)
		}
		time.Sleep(3 * time.Second) // the promise: longer than the timeout
	}
	var sessions int
	if err := db.QueryRow(testenv.Context(t), "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'eventgateway%' AND backend_start < now() - interval '5 s'").Scan(&sessions); err != nil || sessions == 0 {
		t.Errorf("%d of the first sessions are there: %v", sessions, err)
	}
}
