package postgresoutbox

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// errorRecorder is a collector that records reported errors.
type errorRecorder struct {
	*sourcetest.Collector
	mu     sync.Mutex
	errors []error
}

func (n *errorRecorder) ReportError(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.errors = append(n.errors, err)
}

// TestUncapturedTableReportsGap proves that a table that is no longer captured is reported as a gap
// with a fix, and that its return is a gap, too. Other tables are not affected.
func TestUncapturedTableReportsGap(t *testing.T) {
	const again = "changes of public.old are captured again"
	triggers := `ALTER TABLE old %s TRIGGER "!gateway_outbox"`
	for name, c := range map[string]struct{ stop, gap, mend, back string }{
		"disabled":          {strings.Replace(triggers, "%s", "DISABLE", 1), `ENABLE TRIGGER "!gateway_json", ENABLE TRIGGER "!gateway_outbox"`, strings.Replace(triggers, "%s", "ENABLE", 1), again},
		"dropped":           {`DROP TRIGGER "!gateway_outbox" ON old`, "gateway sql --mode outbox --table public.old --apply", outbox(t, "old").CreateSQL(), again},
		"json dropped":      {`DROP TRIGGER "!gateway_json" ON old`, "gateway sql --mode outbox --table public.old --apply", outbox(t, "old").CreateSQL(), again},
		"recreated":         {`DROP TABLE old; CREATE TABLE old (id int PRIMARY KEY)`, "nothing captures the changes of public.old", outbox(t, "old").CreateSQL(), again},
		"gone":              {`DROP TABLE old`, "there is no table public.old", `CREATE TABLE old (id int PRIMARY KEY);` + outbox(t, "old").CreateSQL(), again},
		"disabled, in turn": {"", "", `ALTER TABLE old DISABLE TRIGGER USER; INSERT INTO old VALUES (1); ALTER TABLE old ENABLE TRIGGER USER; DELETE FROM old`, "recreated, or disabled for a while"},
	} {
		for _, set := range []func(*Options){withTables("items", "old"), nil} {
			t.Run(name, func(t *testing.T) {
				db := resetDatabase(t, twoTablesSQL, "old", "items")
				c1 := sourcetest.NewCollector()
				gaps := sourcetest.RecordGaps(c1)
				out := &errorRecorder{Collector: c1}
				s := newQuickSource(t, func(o *Options) {
					if o.Wake = "poll"; set != nil { // else it sleeps for 5 s between two looks
						set(o)
					}
				})
				st := startOutput(t, s, c1, out)
				sourcetest.Exec(t, db, `INSERT INTO items VALUES (1)`)
				st.Await(t, 1)
				if c.stop != "" {
					sourcetest.Exec(t, db, c.stop)
					if n := gaps.AwaitGap(t, c.gap); n != 1 {
						t.Errorf("%d gaps", n)
					}
					out.mu.Lock()
					if len(out.errors) != 1 || !strings.Contains(out.errors[0].Error(), c.gap) {
						t.Errorf("noted: %v", errors.Join(out.errors...))
					}
					out.mu.Unlock()
				}
				sourcetest.Exec(t, db, `INSERT INTO items VALUES (2)`)
				st.Await(t, 2)
				sourcetest.Exec(t, db, c.mend)
				gaps.AwaitGap(t, c.back)
				sourcetest.Exec(t, db, `INSERT INTO old VALUES (3)`)
				for n := 3; !strings.Contains(joinChannels(st.Await(t, n)), "public.old"); n++ {
				}
				st.Stop()
				if len(st.Errs) > 0 {
					t.Errorf("a run has ended: %v", <-st.Errs)
				}
			})
		}
	}
}

// TestReconnectWhileTableIsNotCaptured proves that a running source reconnects although a table is not
// captured any more, and that a new source refuses to start.
func TestReconnectWhileTableIsNotCaptured(t *testing.T) {
	db := resetDatabase(t, twoTablesSQL, "old", "items")
	c := sourcetest.NewCollector()
	gaps := sourcetest.RecordGaps(c)
	st := startSource(t, newQuickSource(t, withTables("items", "old")), c)
	sourcetest.Exec(t, db, `DROP TABLE old`)
	gaps.AwaitGap(t, "there is no table public.old")
	sourcetest.Exec(t, db, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'eventgateway%'`)
	<-st.Errs
	sourcetest.Exec(t, db, `INSERT INTO items VALUES (1)`)
	st.Await(t, 1)
	st.Stop()
	c = sourcetest.NewCollector()
	gaps = sourcetest.RecordGaps(c)
	startSource(t, newQuickSource(t, withTables("items", "old")), c).Stop() // it had the table before, which may have been renamed
	gaps.AwaitGap(t, "there is no table public.old")
	s := newSource(t, func(o *Options) { withTables("items", "old")(o); o.Name = "another" })
	if err := s.Run(testenv.Context(t), sourcetest.NewCollector()); err == nil || !strings.Contains(err.Error(), "there is no table public.old") {
		t.Errorf("a new reader: %v", err)
	}
}

// TestWritesThatFireNoTrigger proves that a disabled trigger of a partition and writers that fire no
// trigger are reported, and that a renamed table is still captured under its old name.
func TestWritesThatFireNoTrigger(t *testing.T) {
	db := resetDatabase(t, twoTablesSQL+`CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE part1 PARTITION OF parts FOR VALUES IN (1)`, "old", "items", "parts")
	c := sourcetest.NewCollector()
	gaps := sourcetest.RecordGaps(c)
	out := &errorRecorder{Collector: c}
	st := startOutput(t, newQuickSource(t, withTables("items", "old", "parts")), c, out)
	sourcetest.Exec(t, db, `ALTER TABLE part1 DISABLE TRIGGER USER`)
	gaps.AwaitGap(t, `ALTER TABLE public.part1 ENABLE TRIGGER`)
	sourcetest.Exec(t, db, `ALTER TABLE part1 ENABLE TRIGGER USER`)
	gaps.AwaitGap(t, "changes of public.parts are captured again")
	sourcetest.Exec(t, db, `ALTER TABLE old RENAME TO young; INSERT INTO young VALUES (1)`)
	noted := func(text string) {
		t.Helper()
		all := func() string {
			out.mu.Lock()
			defer out.mu.Unlock()
			return errors.Join(out.errors...).Error()
		}
		testenv.Eventually(t, testenv.Wait, "reported: "+text, func() bool { return strings.Contains(all(), text) }, all)
	}
	noted("the table public.old is called public.young now")
	if got := joinChannels(st.Await(t, 1)); got != "public.old " {
		t.Errorf("got %s", got)
	}
	sourcetest.Exec(t, db, testenv.RoleSQL("loader")+`ALTER ROLE loader SET session_replication_role = replica`)
	defer sourcetest.Exec(t, db, `DROP ROLE loader`)
	noted("writes to public.items by a subscription, or by a session with session_replication_role = replica, are not captured")
	if n := gaps.AwaitGap(t, "captured again"); n != 2 {
		t.Errorf("%d gaps", n)
	}
	st.Stop()
}
