package postgresnotify

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"eventgateway/gateway/options"
	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/testenv"
)

// TestLargeRowsOfOddTables arrive whole: whatever their columns are called and hold.
func TestLargeRowsOfOddTables(t *testing.T) {
	db := testenv.Connect(t)
	for name, c := range map[string]struct{ columns, values, want string }{
		"names of ours": {`t int PRIMARY KEY, payload int, changed int, columns int, key int, k int, a int, i int, r int, "the gateway's row" int, operation text, big text`,
			`1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 'op', repeat('x', 9000)`, `"t":1,"payload":2,"changed":3,"columns":4,"key":5,"k":6,"a":7,"i":8,"r":9,"the gateway's row":10,"operation":"op"`},
		"included":     {`id int, note text, big text, PRIMARY KEY (id) INCLUDE (note)`, `1, NULL, repeat('x', 9000)`, `"id":1,"note":null`},
		"zero in json": {`id int PRIMARY KEY, doc json, big text`, `1, '{"a":"\u0000"}', repeat('x', 9000)`, `"id":1,"doc":{"a":"\u0000"}`},
		"surrogate":    {`id int PRIMARY KEY, doc json, big text`, `1, '{"a":"\ud800"}', repeat('x', 9000)`, `"id":1,"doc":{"a":"\ud800"}`},
		"quoted key":   {`"a'b""c\" text PRIMARY KEY, big text`, `'it''s "q" \', repeat('x', 9000)`, `"a'b\"c\\":"it's \"q\" \\"`},
		"dropped":      {`gone int, id int PRIMARY KEY, big text`, `1, 1, repeat('x', 9000)`, `"id":1`},
	} {
		t.Run(name, func(t *testing.T) {
			exec(t, db, `DROP TABLE IF EXISTS odd; CREATE TABLE odd (`+c.columns+`);`+trigger("public", "odd"))
			values := c.values
			if name == "dropped" {
				exec(t, db, `ALTER TABLE odd DROP COLUMN gone`)
				values = strings.TrimPrefix(values, "1, ")
			}
			next := startListening(t, nil)
			exec(t, db, `INSERT INTO odd VALUES (`+values+`)`)
			want := fmt.Sprintf(`{"operation" : "INSERT", "order" : {%s,"big":"%s"}}`, c.want, strings.Repeat("x", 9000))
			if got := next(); got != want {
				t.Errorf("got %.300s\nwant %.300s", got, want)
			}
		})
	}
}

// TestSettingsOfSessions of the writer, the role and the database do not show: a row has the same
// bytes in its notification, and where it is fetched.
func TestSettingsOfSessions(t *testing.T) {
	db := testenv.Connect(t)
	exec(t, db, testenv.TypesSQL("types")+trigger("public", "types"))
	reference := testenv.Connect(t)
	exec(t, reference, pgconn.SetSQL(pgconn.RowSettings, false))
	for _, setting := range append(testenv.SessionSettings, "") {
		t.Run(setting, func(t *testing.T) {
			if setting != "" {
				exec(t, db, `ALTER ROLE postgres SET `+setting+`; ALTER DATABASE postgres SET `+setting)
				t.Cleanup(func() { exec(t, db, `ALTER ROLE postgres RESET ALL; ALTER DATABASE postgres RESET ALL`) })
			}
			next := startListening(t, nil)
			writer := testenv.Connect(t) // has what the role and the database say
			for _, size := range []int{1, 9000} {
				exec(t, writer, `DELETE FROM public.types`)
				exec(t, writer, fmt.Sprintf(`INSERT INTO public.types (id, note) VALUES (1, repeat('x', %d))`, size))
				var row string
				if err := reference.QueryRow(testenv.Context(t), `SELECT row_to_json(r)::text FROM public.types r`).Scan(&row); err != nil {
					t.Fatal(err)
				}
				got := next()
				if size == 9000 {
					got = next() // after the DELETE
				}
				if want := `{"operation" : "INSERT", "order" : ` + row + `}`; got != want {
					t.Errorf("%d bytes:\n%.1500s, want\n%.1500s", size, got, want)
				}
			}
			exec(t, writer, `DELETE FROM public.types`)
			next()
		})
	}
}

// TestRowsThatCannotBeFetched are marked, counted, and found by check --live.
func TestRowsThatCannotBeFetched(t *testing.T) {
	db := testenv.Connect(t)
	exec(t, db, role("shop")+role("reader")+`GRANT USAGE ON SCHEMA shop TO reader`)
	shop := testenv.ConnectAs(t, "shop")
	exec(t, shop, `CREATE TABLE shop.orders (id int PRIMARY KEY, note text);`+trigger("shop", "orders")+`GRANT SELECT ON shop.orders TO reader;
		ALTER TABLE shop.orders ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON shop.orders USING (current_user = 'shop')`)
	s := newTestSource(t, func(o *Options) { o.URL, o.Owners = options.NewURL(testenv.RoleURL(t, "reader")), []string{"shop"} })
	next := startRun(t, s)
	exec(t, shop, `INSERT INTO shop.orders VALUES (1, repeat('x', 9000))`)
	if got, want := next(), `{"operation" : "INSERT", "order" : {"id" : 1}, "_gateway_fetch" : "shop.orders"}`; got != want {
		t.Errorf("got %.300s", got)
	}
	if got := testutil.ToFloat64(s.unfetched); got != 1 {
		t.Errorf("%v are counted", got)
	}
	found := false
	for _, f := range s.Probe(testenv.Context(t)) {
		found = found || strings.Contains(f.Text, "rows of shop.orders over 7,999 bytes cannot be fetched: row-level security could hide them") && strings.HasPrefix(f.Fix, `ALTER ROLE "reader" BYPASSRLS`)
	}
	if !found {
		t.Errorf("check --live finds %+v", s.Probe(testenv.Context(t)))
	}
	exec(t, db, `ALTER ROLE reader BYPASSRLS`)
	exec(t, shop, `UPDATE shop.orders SET note = note || 'y'`)
	if got := next(); !strings.HasSuffix(got, `xxy"}}`) {
		t.Errorf("with the right to see all rows: %.300s", got)
	}
}

// TestRowsThatCannotBeNotified: where the row does not become JSON, the event says of which table it is.
func TestRowsThatCannotBeNotified(t *testing.T) {
	db := testenv.Connect(t)
	exec(t, db, `DROP TABLE IF EXISTS broken; DROP TYPE IF EXISTS broken_type CASCADE; CREATE TYPE broken_type AS ENUM ('a');
		CREATE FUNCTION broken_json(broken_type) RETURNS json LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''never''; END'; CREATE CAST (broken_type AS json) WITH FUNCTION broken_json(broken_type);
		CREATE TABLE broken (id int PRIMARY KEY, e broken_type);`+trigger("public", "broken"))
	s := newTestSource(t, nil)
	next := startRun(t, s)
	exec(t, db, `INSERT INTO broken VALUES (1, 'a')`)
	var got map[string]any
	if p := next(); json.Unmarshal([]byte(p), &got) != nil || got["order"] != nil || got[fetchField] != "public.broken" || got["operation"] != "INSERT" {
		t.Errorf("got %s", p)
	}
	if got := testutil.ToFloat64(s.unfetched); got != 1 {
		t.Errorf("%v are counted", got)
	}
	exec(t, db, `DROP TABLE broken; DROP TYPE broken_type CASCADE`)
}
