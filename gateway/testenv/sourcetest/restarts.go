package sourcetest

import (
	"testing"

	"eventgateway/gateway/testenv"
)

// RestartsReportNoGap proves that ended sessions, restarted gateways, and a stopped or crashed
// server report no gap.
func (k Kind) RestartsReportNoGap(t *testing.T) {
	server := testenv.StartPostgres(t, "-c", "synchronous_commit=on") // what is visible survives a crash
	db := testenv.ConnectTo(t, server)
	Exec(t, db, ItemsSQL)
	k.Install(t, db, "items")
	p := k.Follow(t, Settings{URL: server.URL()})
	next := 1
	write := func() {
		t.Helper()
		Exec(t, db, InsertItems, next, next+99, 1)
		p.AwaitItems(t, next, next+99, 1)
		next += 100
	}
	write()
	for range 5 {
		Exec(t, db, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'eventgateway%'")
		write()
	}
	before := p
	p.Stop()
	p = k.Follow(t, Settings{URL: server.URL()})
	write()
	for _, end := range []func(){func() { testenv.Crash(t, server) }, func() {
		if err := server.Stop(testenv.Context(t)); err != nil {
			t.Fatal(err)
		}
	}} {
		write()
		end()
		if err := server.Start(testenv.Context(t)); err != nil {
			t.Fatal(err)
		}
		db = testenv.ConnectTo(t, server)
		write()
	}
	k.AwaitStored(t, db, p.Events())
	if got := append(before.Reasons(), p.Reasons()...); len(got) > 0 {
		t.Errorf("gaps %q", got)
	}
}
