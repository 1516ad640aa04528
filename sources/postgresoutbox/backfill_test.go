package postgresoutbox

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// backfillTo runs a backfill of the test's server.
func backfillTo(t testing.TB, args ...string) string {
	t.Helper()
	out, err := runOutbox(testenv.Context(t), t, testenv.Postgres(t).URL(), append([]string{"backfill"}, args...)...)
	if err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	return out
}

// TestBackfill proves that rows come in the order of their keys, as the trigger writes them, and marked.
func TestBackfill(t *testing.T) {
	db := resetDatabase(t, `CREATE EXTENSION IF NOT EXISTS citext; CREATE TABLE items (region citext, "No" int, note text, at timestamptz, raw bytea, PRIMARY KEY (region, "No")) PARTITION BY LIST (region);
		CREATE TABLE items_eu PARTITION OF items FOR VALUES IN ('eu'); CREATE TABLE items_us PARTITION OF items FOR VALUES IN ('US'); ALTER DATABASE postgres SET datestyle = 'German'`, "items")
	t.Cleanup(func() { sourcetest.Exec(t, newSession(t), "ALTER DATABASE postgres RESET datestyle") })
	st := start(t, func(o *Options) { asChange(o); o.Tables = []string{"items"} }, sourcetest.NewCollector())
	sourcetest.Exec(t, db, `INSERT INTO items SELECT r, n, 'é "' || n, '2024-01-02 03:04:05.678901+00', '\x00ff' FROM generate_series(1, 1500) n, unnest(ARRAY['US', 'eu']) r`)
	written := st.Await(t, 3000)
	if out := backfillTo(t, "--table", "items"); out != "3000 rows of public.items are sent again\n" {
		t.Errorf("printed %s", out)
	}
	rows := map[string]string{} // by key
	for _, e := range written {
		rows[e.Key] = newRow(t, e)
	}
	events := st.Await(t, 6000)[3000:]
	for i, e := range events {
		operation, _ := e.Attr("operation")
		mark, _ := e.Attr("snapshot")
		if want := fmt.Sprintf("public.items:%s,%d", []string{"eu", "US"}[i/1500], i%1500+1); e.Key != want || newRow(t, e) != rows[want] || operation != "READ" || mark != "backfill" {
			t.Fatalf("row %d: %s %s %s %s, want %s %s", i, e.Key, operation, mark, e.Data, want, rows[want])
		}
		if !strings.HasPrefix(string(e.Data), `{"operation":"READ","table":"public.items","snapshot":"backfill","id":`) {
			t.Fatalf("payload %s", e.Data)
		}
	}
	// The condition is the operator's, with the search path of the role: citext ignores case.
	for where, want := range map[string]int{
		`region = 'us' AND "No" <= 5 -- and no more`: 5,
		`items."No" < 3`: 4,
		`"No" IN (SELECT max("No") FROM items) OR region = 'xx'`: 2,
		`region = 'it''s'`: 0,
	} {
		if out := backfillTo(t, "--table", "public.items", "--where", where); out != fmt.Sprintf("%d rows of public.items are sent again\n", want) {
			t.Errorf("%s: printed %s", where, out)
		}
	}
	if out := backfillTo(t, "--table", "items", "--after", `["US","1490"]`); !strings.HasPrefix(out, "10 rows") {
		t.Errorf("printed %s", out)
	}
	st.Await(t, 6021)
	awaitCursor(t, db, "(SELECT count(*) = 0 FROM gateway.outbox)")
	st.Stop()
}

// newRow returns the new row of a change, byte for byte.
func newRow(t testing.TB, e *event.Event) string {
	t.Helper()
	var c struct{ New json.RawMessage }
	if err := json.Unmarshal(e.Data, &c); err != nil {
		t.Fatal(err)
	}
	return string(c.New)
}

// TestBackfillErrors proves that each mistake has its message.
func TestBackfillErrors(t *testing.T) {
	resetDatabase(t, sourcetest.ItemsSQL+`CREATE TABLE other (id int PRIMARY KEY); CREATE TABLE unread (id int PRIMARY KEY); CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE part PARTITION OF parts DEFAULT;`, "items", "unread", "parts")
	backfill := func(want string, args ...string) {
		t.Helper()
		if out, err := runOutbox(testenv.Context(t), t, testenv.Postgres(t).URL(), args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %s, %v, want %s", args, out, err, want)
		}
	}
	backfill("no reader has the table public.items", "backfill", "--table", "items")
	start(t, withTables("items"), sourcetest.NewCollector()).Stop()
	backfill("--table is required", "backfill")
	backfill("are for gateway outbox backfill", "list", "--where", "true")
	backfill("there is no table public.nothing", "backfill", "--table", "nothing")
	backfill("gateway sql --mode outbox --table public.other --apply", "backfill", "--table", "other")
	backfill("public.part is a partition", "backfill", "--table", "part")
	backfill("no reader has the table public.unread", "backfill", "--table", "unread")
	backfill("a JSON array of 1 texts", "backfill", "--table", "items", "--after", "7")
	backfill(`column "nothing" does not exist`, "backfill", "--table", "items", "--where", "nothing = 1")
	backfill("cannot insert multiple commands", "backfill", "--table", "items", "--where", "true); DROP TABLE items; SELECT (true")
	sourcetest.Exec(t, newSession(t), "INSERT INTO items VALUES (1, 0)")
	backfill("read-only transaction", "backfill", "--table", "items", "--where", "nextval('gateway.outbox_id_seq') > 0")
}

// TestBackfillOfUntrustedOwner proves that the code of a table's owner does not run with the operator's rights.
func TestBackfillOfUntrustedOwner(t *testing.T) {
	db := resetUntrusted(t, "")
	start(t, nil, sourcetest.NewCollector()).Stop()
	if _, err := runOutbox(testenv.Context(t), t, testenv.Postgres(t).URL(), "backfill", "--table", "mallory.items"); err == nil || !strings.Contains(err.Error(), `its owner "mallory" could run code with the rights of "postgres"`) {
		t.Errorf("error %v", err)
	}
	if isSuper(t, db, "mallory") {
		t.Error("mallory is a superuser")
	}
}

// TestBackfillWithLeastRights runs with the rights that the README names.
func TestBackfillWithLeastRights(t *testing.T) {
	db := resetDatabase(t, testenv.RoleSQL("clerk")+`CREATE SCHEMA shop; CREATE TABLE shop.orders (id int PRIMARY KEY); INSERT INTO shop.orders VALUES (1), (2);`, "shop.orders")
	testenv.RevokePublic(t)
	sourcetest.Exec(t, db, `GRANT CONNECT ON DATABASE postgres TO clerk; GRANT USAGE ON SCHEMA gateway, shop TO clerk; GRANT SELECT, UPDATE ON shop.orders TO clerk;
		GRANT SELECT, INSERT ON gateway.outbox TO clerk; GRANT SELECT ON gateway.outbox_reader, gateway.outbox_detached TO clerk`)
	st := start(t, nil, sourcetest.NewCollector())
	if out, err := runOutbox(testenv.Context(t), t, testenv.RoleURL(t, "clerk"), "backfill", "--table", "shop.orders"); err != nil {
		t.Errorf("%s, %v", out, err)
	}
	if got := sourcetest.Join(st.Await(t, 2), func(e *event.Event) string { return e.Key }); got != "shop.orders:1 shop.orders:2 " {
		t.Errorf("got %s", got)
	}
	st.Stop()
	sourcetest.Exec(t, db, `DROP OWNED BY clerk; DROP ROLE clerk; DROP SCHEMA shop CASCADE`)
}

// TestBackfillInEncodings proves that rows are the same text as in changes.
func TestBackfillInEncodings(t *testing.T) {
	for _, e := range testenv.Encodings {
		t.Run(e.Name, func(t *testing.T) {
			url := testenv.Database(t, "encoded", e.Name)
			db := testenv.ConnectURL(t, url+"&client_encoding=UTF8")
			table := pgtrigger.Table{Schema: "public", Name: e.Text}
			sourcetest.Exec(t, db, fmt.Sprintf(`CREATE TABLE %s (id int PRIMARY KEY, note text); CREATE VIEW plain AS SELECT * FROM %[1]s`, table))
			sourcetest.Exec(t, db, pgtrigger.Outbox{Tables: []pgtrigger.Table{table}}.CreateSQL())
			st := start(t, func(o *Options) { asChange(o); o.URL = options.NewURL(url) }, sourcetest.NewCollector())
			testenv.ExecRaw(t, url, e.Name, "INSERT INTO plain VALUES (2, 'x"+e.Odd+"y')")
			st.Await(t, 1)
			for range 2 {
				if out, err := runOutbox(testenv.Context(t), t, url, "backfill", "--table", `"`+e.Text+`"`); err != nil {
					t.Fatalf("%s, %v", out, err)
				}
			}
			events := st.Await(t, 3)
			if newRow(t, events[0]) != newRow(t, events[1]) || events[0].Key != events[2].Key {
				t.Errorf("changed %s\nsent    %s", events[0].Data, events[1].Data)
			}
		})
	}
}

// TestBackfillWaitsForReaders proves that a backfill does not fill the outbox while a reader is behind, and that it can be
// resumed where it was ended.
func TestBackfillWaitsForReaders(t *testing.T) {
	db := resetDatabase(t, sourcetest.ItemsSQL+"INSERT INTO items SELECT n, 0 FROM generate_series(1, 30000) n;", "items")
	st := start(t, nil, sourcetest.NewCollector())
	st.Stop()
	ctx, cancel := context.WithCancel(testenv.Context(t))
	ended := make(chan error, 1)
	go func() {
		_, err := runOutbox(ctx, t, testenv.Postgres(t).URL(), "backfill", "--table", "items")
		ended <- err
	}()
	sent := 0
	testenv.Eventually(t, testenv.Wait, "it waits", func() bool {
		before := sent
		sent = count(t, db, "SELECT count(*) FROM gateway.outbox")
		time.Sleep(3 * backfillRetry)
		return sent > 0 && sent == before
	})
	if sent > maxUnreadChunks*maxBackfill {
		t.Errorf("%d rows are in the outbox", sent)
	}
	cancel()
	err := <-ended
	if err == nil {
		t.Fatal("it was not canceled")
	}
	_, after, found := strings.Cut(err.Error(), "go on with --after ")
	if !found {
		t.Fatal(err)
	}
	c := sourcetest.NewCollector()
	st = start(t, nil, c)
	backfillTo(t, "--table", "items", "--after", strings.Trim(after, "'"))
	events := st.Await(t, 30_000)
	for i, e := range events {
		if want := fmt.Sprintf("public.items:%d", i+1); e.Key != want {
			t.Fatalf("row %d is %s", i, e.Key)
		}
	}
	st.Stop()
}
