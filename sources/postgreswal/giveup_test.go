package postgreswal

import (
	"strings"
	"testing"

	"eventgateway/gateway/event"
	"eventgateway/gateway/testenv"
)

// TestBlockedReaderGivesTheSlotUp proves that writers go on and the server removes its WAL while a sink blocks the reader beyond
// max_lag, that the gap is reported once, with figures, and that the table is whole after the snapshot. No new slot is made before the
// sink takes events again.
func TestBlockedReaderGivesTheSlotUp(t *testing.T) {
	l := newLagging(t, func(o *Options) { o.Snapshot = "initial" })
	out := newBlockingOutput()
	f, _ := l.start(out)
	l.write(100, 0)
	f.AwaitItems(t, 1, 100, 1)
	kind.AwaitSnapshots(t, l.db, 1)
	unblock := out.block()
	defer unblock()
	l.write(1, 0)
	<-out.blocked
	for range 8 {
		l.write(100, 5)
	}
	testenv.Eventually(t, testenv.Wait, "the slot is dropped", func() bool { return l.slot() == "" })
	l.write(100, 5)
	l.awaitWALRemoved()
	if slot := l.slot(); slot != "" {
		t.Errorf("there is a slot while the reader is blocked: %s", slot)
	}
	if got := f.Reasons(); len(got) > 0 {
		t.Errorf("gaps before the changes that were received: %q", got)
	}
	unblock()
	f.AwaitGap(t, "was given up: the lag was")
	f.AwaitItems(t, 1, l.next-1, 1)
	kind.AwaitSnapshots(t, l.db, 1)
	l.write(10, 1)
	f.AwaitItems(t, l.next-10, l.next-1, 1)
	f.RequireOneGap(t, "beyond max_lag (4MiB)")
	if text := f.LastError(); !strings.Contains(text, "the slot gateway was given up") {
		t.Errorf("the run ended with %q", text)
	}
	kind.AwaitStored(t, l.db, f.Events())
	f.Stop()
	next, _ := l.start(newBlockingOutput())
	l.write(1, 0)
	next.AwaitItems(t, l.next-1, l.next-1, 1)
	if got := next.Reasons(); len(got) > 0 {
		t.Errorf("a restart reports %q", got)
	}
}

// TestUnackedChangeGivesTheSlotUp proves the same where Emit does not block: all of in_flight is in flight, or one change is not
// settled and later ones are.
func TestUnackedChangeGivesTheSlotUp(t *testing.T) {
	for name, inFlight := range map[string]int{"all in flight": 10, "one not settled": 100_000} {
		t.Run(name, func(t *testing.T) {
			l := newLagging(t, func(o *Options) { o.InFlight = inFlight })
			out := newBlockingOutput()
			out.Withhold = withholdFirst
			if inFlight == 10 {
				out.Withhold = func(_ *event.Event, withheld int) bool { return withheld < 10 }
			}
			f, _ := l.start(out)
			for l.slot() != "" && len(f.Reasons()) == 0 {
				l.write(100, 2)
			}
			out.SettleWithheld(nil)
			f.AwaitGap(t, "was given up: the lag was")
			l.write(10, 0)
			f.AwaitItems(t, l.next-10, l.next-1, 1)
			l.awaitWALRemoved()
		})
	}
}
