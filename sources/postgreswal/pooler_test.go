package postgreswal

import (
	"strings"
	"testing"

	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// TestBehindPooler proves that a source works behind a pgbouncer that forwards replication connections, and continues after a kill of it.
// With an older one, its error names the version that does.
func TestBehindPooler(t *testing.T) {
	db := kind.Reset(t, sourcetest.ItemsSQL, "items")
	b := testenv.StartPgbouncer(t, testenv.Pgbouncer{Mode: "session"})
	set := func(o *Options) { ofItems(o); o.URL, o.Output = options.NewURL(b.URL()), "change" }
	ignoring := testenv.StartPgbouncer(t, testenv.Pgbouncer{Mode: "session", Ignore: "replication"})
	requireHint := func(set func(*Options)) {
		t.Helper()
		err := newSource(t, set).Run(testenv.Context(t), sourcetest.NewCollector())
		if err == nil || !strings.Contains(err.Error(), "pgbouncer forwards replication connections from version 1.23 on") {
			t.Errorf("behind an old pgbouncer: %v", err)
		}
	}
	if !strings.Contains(probeText(t, set), "may read the WAL") {
		requireHint(set)
		requireHint(func(o *Options) { set(o); o.URL = options.NewURL(ignoring.URL()) })
		return
	}
	f := kind.Follow(t, sourcetest.Settings{URL: b.URL(), Tables: []string{"items"}})
	sourcetest.Exec(t, db, sourcetest.InsertItems, 1, 100, 1)
	f.AwaitItems(t, 1, 100, 1)
	b.Kill()
	sourcetest.Exec(t, db, sourcetest.InsertItems, 101, 200, 1)
	b.Start(t)
	f.AwaitItems(t, 101, 200, 1)
	if got := f.Reasons(); len(got) > 0 {
		t.Errorf("gaps %q", got)
	}
}
