package postgreswal

import (
	"testing"
	"time"

	"eventgateway/gateway/testenv/sourcetest"
)

// TestUndecodableChangesGiveTheSlotUp proves that a slot that cannot be read any more is given up beyond max_lag. Its publication was
// dropped and made again, so the changes in between cannot be decoded.
func TestUndecodableChangesGiveTheSlotUp(t *testing.T) {
	for name, set := range map[string]func(*Options){"give_up": func(*Options) {}, "spool": spooled(t)} {
		t.Run(name, func(t *testing.T) {
			l := newLagging(t, set)
			s := l.build()
			s.stuckAfter = 500 * time.Millisecond
			out := newBlockingOutput()
			gaps := sourcetest.RecordGaps(out.Collector)
			f := &sourcetest.Follower{Running: sourcetest.Start(t, s, out.Collector, out), Gaps: gaps}
			l.write(10, 0)
			f.AwaitItems(t, 1, 10, 1)
			sourcetest.Exec(t, l.db, "DROP PUBLICATION gateway")
			l.write(10, 0)
			sourcetest.Exec(t, l.db, published(t, "items").CreateSQL())
			for len(f.Reasons()) == 0 {
				l.write(10, 2)
				time.Sleep(20 * time.Millisecond) // the pace of a writer
			}
			f.AwaitGap(t, "was given up")
			l.write(10, 0)
			f.AwaitItems(t, l.next-10, l.next-1, 1)
			l.awaitWALRemoved()
			f.RequireOneGap(t, "publication \"gateway\" does not exist")
		})
	}
}
