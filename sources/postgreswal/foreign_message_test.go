package postgreswal

import (
	"testing"
	"time"

	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// TestMessagesOfOtherRoles proves that messages in the WAL, which any role may write, do not fill the memory or the spool: they are
// no changes. A spool that is full would have the slot given up.
func TestMessagesOfOtherRoles(t *testing.T) {
	const each = 8 << 20
	l := newLagging(t, spooled(t))
	out := newBlockingOutput()
	f, s := l.start(out)
	sourcetest.Exec(t, l.db, "CREATE ROLE nobody; SET ROLE nobody")
	emit := func(n int) {
		t.Helper()
		for i := range n {
			sourcetest.Exec(t, l.db, "SELECT pg_logical_emit_message($1, 'gateway.move', repeat('x', $2))", i%2 == 0, each)
		}
	}
	emit(4)
	sourcetest.Exec(t, l.db, "RESET ROLE")
	unblock := out.block()
	defer unblock()
	l.write(1, 0)
	<-out.blocked
	for !s.spooling.Load() {
		l.write(10, 5)
		time.Sleep(50 * time.Millisecond) // the pace of a writer
	}
	sourcetest.Exec(t, l.db, "SET ROLE nobody")
	emit(4)
	sourcetest.Exec(t, l.db, "RESET ROLE")
	awaitConfirmed(t, l.db)
	if size := folderSize(s.opts.Spool.Path); size > each {
		t.Errorf("the spool has %d bytes", size)
	}
	unblock()
	f.AwaitItems(t, 1, l.next-1, 1)
	testenv.Eventually(t, testenv.Wait, "the source receives directly", func() bool { return !s.spooling.Load() })
}
