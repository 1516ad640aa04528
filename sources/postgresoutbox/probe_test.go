package postgresoutbox

import (
	"fmt"
	"strings"
	"testing"

	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// probeText returns the findings as lines of "level: text -> fix".
func probeText(t *testing.T, set func(*Options)) (out string) {
	t.Helper()
	for _, f := range newSource(t, set).Probe(testenv.Context(t)) {
		out += fmt.Sprintf("%s: %s -> %s\n", f.Level, f.Text, f.Fix)
	}
	return out
}

// TestProbe breaks one thing after the other, and checks the finding and its fix.
func TestProbe(t *testing.T) {
	db := resetDatabase(t, sourcetest.ItemsSQL+`DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN;`, "items")
	set := func(o *Options) { o.Tables, o.Wake = []string{"items"}, "poll" }
	fine := probeText(t, set)
	if strings.Contains(fine, "WRONG:") || strings.Contains(fine, "warning:") {
		t.Errorf("nothing is wrong, and the findings are:\n%s", fine)
	}
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (1); INSERT INTO gateway.outbox_reader (name, hi, saved) VALUES ('gateway', 1, now())")
	open := newSession(t)
	for _, c := range []struct {
		spoil, want, mend string
		set               func(*Options)
	}{
		{`ALTER TABLE items DISABLE TRIGGER "!gateway_outbox"`, `WRONG: nothing captures the changes of public.items: its trigger is disabled -> ALTER TABLE public.items ENABLE TRIGGER "!gateway_json", ENABLE TRIGGER "!gateway_outbox"`, `ALTER TABLE public.items ENABLE TRIGGER "!gateway_json", ENABLE TRIGGER "!gateway_outbox"`, set},
		{`SELECT 1`, "ok: the trigger on public.items captures", `SELECT 1`, set}, // the fix worked
		{`DROP TRIGGER "!gateway_outbox" ON items`, "WRONG: nothing captures the changes of public.items: its trigger is not there, or was made before the table was renamed -> gateway sql --mode outbox --table public.items --apply", outbox(t, "items").CreateSQL(), set},
		{`ALTER TABLE items RENAME TO items2`, "warning: the table public.items is called public.items2 now, but its changes have the old name -> gateway sql --mode outbox --table public.items2 --apply, and the new name beside the old one in tables", `ALTER TABLE items2 RENAME TO items`, set},
		{`ALTER TABLE items RENAME TO "x'$(id)"`, `-> gateway sql --mode outbox --table 'public."x'\''$(id)"' --apply, and the new name beside the old one in tables`, `ALTER TABLE "x'$(id)" RENAME TO items`, set},
		{`ALTER TABLE items DISABLE TRIGGER "!gateway_outbox_truncate"`, `warning: TRUNCATE of public.items is not captured: the trigger is disabled -> ALTER TABLE public.items ENABLE TRIGGER "!gateway_outbox_truncate"`, `ALTER TABLE public.items ENABLE TRIGGER "!gateway_outbox_truncate"`, set},
		{`DROP TRIGGER "!gateway_outbox_truncate" ON items`, "warning: TRUNCATE of public.items is not captured", outbox(t, "items").CreateSQL(), set},
		{`CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; CREATE TRIGGER "!a" AFTER UPDATE ON items FOR EACH ROW EXECUTE FUNCTION f()`, `warning: the trigger !a on public.items comes first`, `DROP TRIGGER "!a" ON items; DROP FUNCTION f`, set},
		{`CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER "!a" BEFORE UPDATE ON items FOR EACH ROW EXECUTE FUNCTION f()`, `ok: the trigger on public.items captures, before all others`, `DROP TRIGGER "!a" ON items; DROP FUNCTION f`, set},
		{`ALTER TABLE gateway.outbox ALTER COLUMN id SET CACHE 5`, "WRONG: the sequence of gateway.outbox has CACHE 5", `ALTER TABLE gateway.outbox ALTER COLUMN id SET CACHE 1`, set},
		{`UPDATE gateway.outbox_reader SET hi = 10`, "warning: the sequence of gateway.outbox went back: it is at 1, and change 10 was read: the source starts again from what is in the outbox, and reports a gap", `UPDATE gateway.outbox_reader SET hi = 1`, set},
		{`UPDATE gateway.outbox SET at = now() - interval '3 hours'; UPDATE gateway.outbox_reader SET name = 'o''ld', saved = now() - interval '3 hours'`, "has stored nothing for 3 hours -> start its gateway; if it runs, read its log; if it is gone for good: gateway outbox drop 'o'\\''ld'", `UPDATE gateway.outbox SET at = now()`, set},
		{`INSERT INTO gateway.outbox_detached (name, token, at, reason) SELECT name, token, now() - interval '3 hours', 'of the test' FROM gateway.outbox_reader`, "warning: the reader o'ld was detached 3 hours ago, because of the test: its changes are lost -> start its gateway, which reports a gap; if it is gone for good: gateway outbox drop 'o'\\''ld'", `DELETE FROM gateway.outbox_detached`, set},
		{`SELECT 1`, "warning: this server allows prepared transactions", `SELECT 1`, func(*Options) {}},
		{`SELECT 1`, "ok: LISTEN works", `SELECT 1`, func(*Options) {}},
		{`SELECT 1`, "WRONG: there is no table public.nobody -> correct tables", `SELECT 1`, func(o *Options) { o.Tables = []string{"nobody"} }},
		{`SELECT 1`, `WRONG: the role "reader" lacks rights -> GRANT USAGE ON SCHEMA gateway TO "reader"; GRANT SELECT ON SEQUENCE gateway.outbox_id_seq TO "reader"; GRANT SELECT ON gateway.outbox TO "reader"; GRANT DELETE`, `SELECT 1`, func(o *Options) {
			o.URL = options.NewURL(strings.Replace(testenv.Postgres(t).URL(), "postgres@", "reader@", 1))
		}},
	} {
		sourcetest.Exec(t, db, c.spoil)
		if got := probeText(t, c.set); !strings.Contains(got, c.want) {
			t.Errorf("%s\nwant %s\ngot\n%s", c.spoil, c.want, got)
		}
		sourcetest.Exec(t, db, c.mend)
	}
	sourcetest.Exec(t, open, "BEGIN; INSERT INTO items VALUES (7)")
	if got := probeText(t, set); !strings.Contains(got, "ok: no transaction is open for long") {
		t.Errorf("a short transaction:\n%s", got)
	}
	sourcetest.Exec(t, open, "ROLLBACK")
	sourcetest.Exec(t, db, "DROP SCHEMA gateway CASCADE; DROP ROLE reader")
	if got := probeText(t, set); !strings.Contains(got, "WRONG: there is no outbox in this database -> gateway sql --mode outbox --table TABLE --apply") {
		t.Errorf("without an outbox:\n%s", got)
	}
}
