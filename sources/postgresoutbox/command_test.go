package postgresoutbox

import (
	"context"
	"flag"
	"slices"
	"strings"
	"testing"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// runOutbox runs gateway outbox with flags and arguments, and returns what it prints.
func runOutbox(ctx context.Context, t testing.TB, url string, args ...string) (string, error) {
	t.Helper()
	var out strings.Builder
	f := flag.NewFlagSet("outbox", flag.ContinueOnError)
	run := Type().Commands()[0].New(f)
	name := args[:min(1, len(args))] // the command line accepts flags after arguments, and package flag does not
	if err := f.Parse(args[len(name):]); err != nil {
		return "", err
	}
	err := run(ctx, plugin.Invocation{Args: append(slices.Clone(name), f.Args()...), Out: &out, Lookup: func(string) (string, bool, error) { return url, true, nil }})
	return out.String(), err
}

// TestCommand: readers are listed with what they have not delivered, and one that is gone is removed, after which its
// changes are deleted.
func TestCommand(t *testing.T) {
	db := resetDatabase(t, twoTablesSQL, "old", "items")
	outbox := func(args ...string) (string, error) {
		t.Helper()
		out, err := runOutbox(testenv.Context(t), t, testenv.Postgres(t).URL(), args...)
		return strings.Join(strings.Fields(out), " "), err
	}
	gone := start(t, func(o *Options) { o.Name, o.Tables = "gone", []string{"items"} }, sourcetest.NewCollector())
	gone.Stop()
	st := startSource(t, newQuickSource(t, func(o *Options) {
		o.URL, o.Tables = options.NewURL(testenv.Postgres(t).URL()), []string{"items", "old"}
	}), sourcetest.NewCollector())
	sourcetest.Exec(t, db, `INSERT INTO items VALUES (1), (2); INSERT INTO old VALUES (1)`)
	st.Await(t, 3)
	awaitCursor(t, db, "coalesce((SELECT r.hi = 3 AND isempty(r.gaps) FROM gateway.outbox_reader r WHERE r.name = 'gateway'), false)")
	out, err := outbox("list")
	if err != nil || !strings.Contains(out, "gone 2 ") || !strings.Contains(out, "gateway 0 - ") || !strings.Contains(out, "the outbox has ") {
		t.Errorf("%s, %v", out, err)
	}
	for _, args := range [][]string{{}, {"drop"}, {"list", "x"}, {"drop", "nobody"}} {
		if _, err := outbox(args...); err == nil || !strings.Contains(err.Error(), "gateway outbox list") {
			t.Errorf("%q: %v", args, err)
		}
	}
	sourcetest.Exec(t, db, "INSERT INTO gateway.outbox_detached (name, token, reason) SELECT name, token, '' FROM gateway.outbox_reader WHERE name = 'gone'")
	if out, err := outbox("list"); err != nil || !strings.Contains(out, " gone (detached) 2 ") {
		t.Errorf("%s, %v", out, err)
	}
	if out, err := outbox("drop", "gone"); err != nil || out != "the reader gone is removed" {
		t.Errorf("%s, %v", out, err)
	}
	awaitCursor(t, db, "(SELECT count(*) FROM gateway.outbox) = 0")
	st.Stop()
}
