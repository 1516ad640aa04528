package postgreswal

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// TestBlockedReaderSpools proves that the server removes its WAL while a sink blocks the reader, that then each change
// arrives once and in order, and that the source receives directly afterwards. This twice.
func TestBlockedReaderSpools(t *testing.T) {
	l := newLagging(t, spooled(t))
	out := newBlockingOutput()
	f, s := l.start(out)
	for range 2 {
		l.write(20, 0)
		f.Await(t, l.next-1)
		unblock := out.block()
		defer unblock()
		l.write(1, 0)
		<-out.blocked
		for range 8 {
			l.write(100, 5)
		}
		awaitConfirmed(t, l.db)
		l.awaitWALRemoved()
		l.write(100, 0)
		unblock()
		l.requireInOrder(f.Await(t, l.next-1))
		testenv.Eventually(t, testenv.Wait, "the source receives directly", func() bool { return !s.spooling.Load() })
	}
	l.write(100, 5)
	l.requireInOrder(f.Await(t, l.next-1))
	awaitConfirmed(t, l.db)
	if n := f.Repeated(); n > 0 || len(f.Reasons()) > 0 || f.LastError() != "" {
		t.Errorf("%d events came again, gaps %q, %s", n, f.Reasons(), f.LastError())
	}
	if size := folderSize(s.opts.Spool.Path); size > 1<<20 {
		t.Errorf("the spool still has %d bytes", size)
	}
}

// TestRestartReadsTheSpoolFirst proves that a stopped gateway delivers what was spooled, in order, when it starts again; also if the slot
// is lost meanwhile, which is a gap behind what was spooled.
func TestRestartReadsTheSpoolFirst(t *testing.T) {
	for name, c := range map[string]struct {
		between func(l *lagging)
		gap     string
	}{
		"":        {func(*lagging) {}, ""},
		"dropped": {func(l *lagging) { sourcetest.Exec(l.t, l.db, "SELECT pg_drop_replication_slot('gateway')") }, "slot gateway is gone"},
		"moved": {func(l *lagging) {
			sourcetest.Exec(l.t, l.db, "SELECT pg_replication_slot_advance('gateway', pg_current_wal_lsn())")
		}, "made anew or moved"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLagging(t, spooled(t))
			out := newBlockingOutput()
			f, _ := l.start(out)
			unblock := out.block()
			for range 3 {
				l.write(100, 5)
			}
			awaitConfirmed(t, l.db)
			f.Stop()
			unblock()
			spooled := l.next - 1
			if c.gap != "" {
				l.write(5, 1)
			}
			testenv.WaitForSQL(t, l.db, "SELECT NOT active FROM pg_replication_slots")
			c.between(l)
			f, _ = l.start(newBlockingOutput())
			if c.gap != "" {
				l.write(100, 0)
				f.AwaitItems(t, 1, spooled, 1)
				f.AwaitItems(t, l.next-100, l.next-1, 1)
				f.RequireOneGap(t, c.gap)
				return
			}
			l.write(100, 5)
			l.requireInOrder(f.Await(t, l.next-1))
			if len(f.Reasons()) > 0 {
				t.Errorf("gaps %q", f.Reasons())
			}
		})
	}
}

// TestLostSpoolIsAGap proves that a folder that is gone, older or damaged is a gap, and that the source goes on.
func TestLostSpoolIsAGap(t *testing.T) {
	for name, c := range map[string]struct {
		lose func(t *testing.T, l *lagging, path, copied string)
		gap  string
	}{
		"gone": {func(t *testing.T, _ *lagging, path, _ string) { must(t, os.RemoveAll(path)) }, "is empty: it was deleted"},
		"not set": {func(_ *testing.T, l *lagging, _, _ string) {
			set := l.set
			l.set = func(o *Options) { set(o); o.MaxLag.Then, o.Spool.Path = "give_up", "" }
		}, "spool.path is not set any more"},
		"older": {func(t *testing.T, _ *lagging, path, copied string) {
			must(t, os.RemoveAll(path))
			must(t, os.Rename(copied, path))
		}, "ends at"},
		"damaged": {func(t *testing.T, _ *lagging, path, _ string) { damage(t, path) }, "the spool"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLagging(t, spooled(t))
			out := newBlockingOutput()
			f, s := l.start(out)
			unblock := out.block()
			l.write(100, 10)
			awaitConfirmed(t, l.db)
			copied := t.TempDir() + "/copy"
			must(t, os.CopyFS(copied, os.DirFS(s.opts.Spool.Path)))
			l.write(100, 5)
			awaitConfirmed(t, l.db)
			f.Stop()
			unblock()
			c.lose(t, l, s.opts.Spool.Path, copied)
			f, _ = l.start(newBlockingOutput())
			f.AwaitGap(t, c.gap)
			l.write(100, 0)
			f.AwaitItems(t, l.next-100, l.next-1, 1)
			if len(f.Reasons()) != 1 {
				t.Errorf("gaps %q", f.Reasons())
			}
		})
	}
}

// damage changes a byte in the middle of the spool.
func damage(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(path)
	must(t, err)
	name := path + "/" + entries[0].Name()
	content, err := os.ReadFile(name)
	must(t, err)
	content[len(content)/2] ^= 1
	must(t, os.WriteFile(name, content, 0o600))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestFullSpoolGivesTheSlotUp proves that the slot is given up when the spool is full, and that what was spooled is delivered
// before the gap.
func TestFullSpoolGivesTheSlotUp(t *testing.T) {
	set := spooled(t)
	l := newLagging(t, func(o *Options) { set(o); o.Spool.MaxBytes = 200_000 })
	out := newBlockingOutput()
	f, _ := l.start(out)
	unblock := out.block()
	defer unblock()
	for l.slot() != "" {
		l.write(200, 2)
	}
	l.awaitWALRemoved()
	unblock()
	f.AwaitGap(t, "the spool is full")
	l.write(100, 0)
	f.AwaitItems(t, l.next-100, l.next-1, 1)
	f.RequireOneGap(t, "was given up")
	before := 0
	for _, e := range f.Events() {
		if id := int(sourcetest.ChangeOf(t, e).New["id"].(float64)); id != before+1 {
			if before < 500 {
				t.Errorf("the gap is behind item %d", before)
			}
			return
		}
		before++
	}
	t.Error("nothing is missing")
}

// TestSpoolingOutlivesItsStream proves that the source goes on spooling for a blocked reader, when its connections are ended and when the
// server crashes or is stopped.
func TestSpoolingOutlivesItsStream(t *testing.T) {
	l := newLagging(t, spooled(t))
	sourcetest.Exec(t, l.db, "ALTER SYSTEM SET synchronous_commit = on")
	sourcetest.Exec(t, l.db, "SELECT pg_reload_conf()")
	out := newBlockingOutput()
	f, _ := l.start(out)
	unblock := out.block()
	defer unblock()
	l.write(100, 10)
	awaitConfirmed(t, l.db)
	for range 3 {
		sourcetest.Exec(t, l.db, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'eventgateway%'")
		l.write(100, 5)
		awaitConfirmed(t, l.db)
	}
	for _, end := range []func(){func() { testenv.Crash(t, l.server) }, func() { must(t, l.server.Stop(testenv.Context(t))) }} {
		end()
		must(t, l.server.Start(testenv.Context(t)))
		l.db = testenv.ConnectTo(t, l.server)
		l.write(100, 5)
		awaitConfirmed(t, l.db)
	}
	unblock()
	l.requireInOrder(f.Await(t, l.next-1))
	if got := f.Reasons(); len(got) > 0 {
		t.Errorf("gaps %q", got)
	}
}

// TestLagIsMeasured proves which gauges there are: absent before they are known, and growing while a change is not settled.
func TestLagIsMeasured(t *testing.T) {
	l := newLagging(t, spooled(t))
	s := l.build()
	gauges := func() string {
		return fmt.Sprint(gaugeOf(t, s.lagBytes), " ", gaugeOf(t, s.lagSeconds), " ", gaugeOf(t, s.spoolBytes))
	}
	if got := gauges(); got != "absent absent absent" {
		t.Errorf("before: %s", got)
	}
	out := newBlockingOutput()
	f := sourcetest.Start(t, s, out.Collector, out)
	await := func(what string, reached func(lag, seconds, spool float64) bool) {
		t.Helper()
		testenv.Eventually(t, testenv.Wait, what, func() bool {
			var lag, seconds, spool float64
			n, _ := fmt.Sscan(gauges(), &lag, &seconds, &spool)
			return n == 3 && reached(lag, seconds, spool)
		}, gauges)
	}
	await("there is no lag", func(_, seconds, spool float64) bool { return seconds == 0 && spool < 1000 })
	unblock := out.block()
	defer unblock()
	l.write(1, 3)
	await("the change is not settled", func(lag, seconds, _ float64) bool { return lag > 3<<20 && seconds > 0.5 })
	l.write(1000, 5)
	await("changes are spooled", func(_, seconds, spool float64) bool { return seconds > 1 && spool > 50_000 })
	unblock()
	f.Await(t, l.next-1)
	await("there is no lag again", func(_, seconds, spool float64) bool { return seconds == 0 && spool < 200_000 })
	f.Stop()
	if got := gaugeOf(t, s.lagBytes); got != "absent" {
		t.Errorf("lag in bytes after the end: %s", got)
	}
}

// gaugeOf returns the value of a gauge, or absent.
func gaugeOf(t *testing.T, c prometheus.Collector) string {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	must(t, err)
	if len(families) == 0 {
		return "absent"
	}
	return fmt.Sprint(families[0].GetMetric()[0].GetGauge().GetValue())
}

// spoolingAlways is the kind of source whose max_lag is exceeded all the time.
func spoolingAlways() sourcetest.Kind {
	k := kind
	k.Build = func(t testing.TB, set sourcetest.Settings) plugin.Source {
		s := kind.Build(t, set).(*source)
		s.opts.MaxLag, s.opts.Spool.Path = MaxLag{Bytes: 50_000, Then: "spool"}, t.TempDir()
		s.monitorEvery, s.measureEvery = 10*time.Millisecond, 20*time.Millisecond
		return s
	}
	return k
}

// TestChaosWithSpool runs the chaos of all sources while changes are spooled and not, by turns.
func TestChaosWithSpool(t *testing.T) {
	last := position{}
	for _, e := range spoolingAlways().Chaos(t) {
		at, ok := positionOf(e)
		if !ok || at.compare(last) <= 0 {
			t.Fatalf("%s follows %v", e.ID, last)
		}
		last = at
	}
}

// TestSnapshotWithSpool runs the snapshot of all sources while changes are spooled and not, by turns.
func TestSnapshotWithSpool(t *testing.T) { spoolingAlways().SnapshotUnderWrites(t) }
