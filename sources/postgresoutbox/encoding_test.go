package postgresoutbox

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"eventgateway/gateway/options"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// TestEncodings of databases: the names of tables, rows that exist and changes arrive as UTF-8, and a
// byte that UTF-8 cannot say holds up nothing.
func TestEncodings(t *testing.T) {
	for _, e := range testenv.Encodings {
		t.Run(e.Name, func(t *testing.T) {
			url := testenv.Database(t, "encoded", e.Name)
			db := testenv.ConnectURL(t, url+"&client_encoding=UTF8")
			table := pgtrigger.Table{Schema: "public", Name: e.Text}
			sourcetest.Exec(t, db, fmt.Sprintf(`ALTER DATABASE encoded SET standard_conforming_strings = off; CREATE TABLE %s (id int PRIMARY KEY, note text, raw text DEFAULT E'a\\b')`, table))
			sourcetest.Exec(t, db, pgtrigger.Outbox{Tables: []pgtrigger.Table{table}}.CreateSQL())
			sourcetest.Exec(t, db, fmt.Sprintf(`CREATE VIEW plain AS SELECT * FROM %s; INSERT INTO %[1]s VALUES (1, '%s')`, table, e.Text))
			sourcetest.Exec(t, db, `DELETE FROM gateway.outbox`)
			testenv.ExecRaw(t, url, e.Name, "INSERT INTO plain VALUES (2, 'x"+e.Odd+"y')")
			sourcetest.Exec(t, db, `DELETE FROM gateway.outbox`) // only a snapshot has these
			st := start(t, func(o *Options) {
				o.URL, o.Tables, o.Snapshot = options.NewURL(url), []string{`"` + e.Text + `"`}, "initial"
			}, sourcetest.NewCollector())
			for _, f := range st.source.Probe(testenv.Context(t)) {
				if f.Level == plugin.Problem {
					t.Errorf("check --live: %+v", f)
				}
			}
			st.Await(t, 2)
			awaitCursor(t, db, "coalesce((snapshot->'tables'->>'public."+e.Text+"')::json->>'done' = 'true', false)") // else later rows come twice
			testenv.ExecRaw(t, url, e.Name, "INSERT INTO plain VALUES (3, 'x"+e.Odd+"y')")
			sourcetest.Exec(t, db, fmt.Sprintf(`INSERT INTO plain VALUES (4, repeat('%s', 4000))`, e.Text))
			events := st.Await(t, 4)
			for i, note := range []string{e.Text, "x" + e.Reads + "y", "x" + e.Reads + "y", strings.Repeat(e.Text, 4000)} {
				operation := "READ"
				if i > 1 {
					operation = "INSERT"
				}
				want := fmt.Sprintf(`{"operation" : "%s", "order" : {"id":%d,"note":"%s","raw":"a\\b"}}`, operation, i+1, note)
				if got := string(events[i].Data); got != want {
					t.Errorf("got  %.200s\nwant %.200s", got, want)
				}
				if want := fmt.Sprintf("public.%s:%d", e.Text, i+1); events[i].Key != want {
					t.Errorf("key %s, want %s", events[i].Key, want)
				}
			}
		})
	}
}

// TestUntranslatableChangesOfOlderSQL proves that changes which SQL of an older version has written with bytes
// without a UTF-8 form arrive escaped and in order, and stop no other.
func TestUntranslatableChangesOfOlderSQL(t *testing.T) {
	for _, e := range testenv.Encodings {
		if e.Odd == "" {
			continue
		}
		t.Run(e.Name, func(t *testing.T) {
			url := testenv.Database(t, "encoded", e.Name)
			db := testenv.ConnectURL(t, url+"&client_encoding=UTF8")
			sourcetest.Exec(t, db, "CREATE TABLE items (id int PRIMARY KEY, note text)")
			sourcetest.Exec(t, db, outbox(t, "items").CreateSQL())
			odd := func(from, to int) {
				testenv.ExecRaw(t, url, e.Name, fmt.Sprintf(`INSERT INTO gateway.outbox (op, tbl, old, new) SELECT 'U', 'public.items', format('{"id":%%s,"note":"a"}', n)::json, format('{"id":%%s,"note":"x%sy"}', n)::json FROM generate_series(%d, %d) n`, e.Odd, from, to))
			}
			fine := func(from, to int) {
				sourcetest.Exec(t, db, "INSERT INTO items SELECT n, 'fine' FROM generate_series($1::int, $2::int) n", from, to)
			}
			odd(1, 1)
			fine(2, 20)
			odd(21, 23)
			fine(24, 30)
			st := start(t, func(o *Options) { o.URL, o.Snapshot, o.Tables = options.NewURL(url), "initial", []string{"items"} }, sourcetest.NewCollector())
			st.Await(t, 30)
			awaitCursor(t, db, "coalesce((snapshot->'tables'->>'public.items')::json->>'done' = 'true', false)")
			testenv.WaitForSQL(t, db, outboxEmptySQL)
			late := testenv.ConnectURL(t, url+"&client_encoding=UTF8")
			sourcetest.Exec(t, late, "BEGIN; INSERT INTO items VALUES (31, 'late')")
			odd(32, 32)
			fine(33, 33)
			sourcetest.Exec(t, late, "COMMIT")
			odd(34, 34)
			fine(35, 35)
			testenv.WaitForSQL(t, db, outboxEmptySQL)
			st.Stop()
			arrived := map[string]string{}
			for _, event := range st.Events() {
				if operation, _ := event.Attr("operation"); operation != "READ" {
					arrived[event.Key] = string(event.Data)
				}
			}
			for id := 1; id <= 35; id++ {
				want := fmt.Sprintf(`"id":%d,"note":"fine"`, id)
				if id == 31 {
					want = `"note":"late"`
				} else if id == 1 || 21 <= id && id <= 23 || id == 32 || id == 34 {
					want = fmt.Sprintf(`"id":%d,"note":"x%sy"`, id, e.Reads)
				}
				if got := arrived[fmt.Sprintf("public.items:%d", id)]; !strings.Contains(got, want) {
					t.Errorf("row %d: %s, want %s", id, got, want)
				}
			}
			if n := testutil.ToFloat64(st.source.escaped); n < 6 {
				t.Errorf("%v are counted", n)
			}
		})
	}
}
