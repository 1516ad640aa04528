package postgresoutbox

import (
	"fmt"
	"strings"
	"testing"

	"eventgateway/gateway/options"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

// TestEncodings of databases: the names of tables, rows that exist and changes arrive as UTF-8, and a
// byte that UTF-8 cannot say holds up nothing.
func TestEncodings(t *testing.T) {
	for _, e := range testenv.Encodings {
		t.Run(e.Name, func(t *testing.T) {
			url := testenv.Database(t, "encoded", e.Name)
			db := testenv.ConnectURL(t, url+"&client_encoding=UTF8")
			table := pgtrigger.Table{Schema: "public", Name: e.Text}
			run(t, db, fmt.Sprintf(`ALTER DATABASE encoded SET standard_conforming_strings = off; CREATE TABLE %s (id int PRIMARY KEY, note text, raw text DEFAULT E'a\\b')`, table))
			run(t, db, pgtrigger.Outbox{Tables: []pgtrigger.Table{table}}.CreateSQL())
			run(t, db, fmt.Sprintf(`CREATE VIEW plain AS SELECT * FROM %s; INSERT INTO %[1]s VALUES (1, '%s')`, table, e.Text))
			run(t, db, `DELETE FROM gateway.outbox`)
			testenv.ExecRaw(t, url, e.Name, "INSERT INTO plain VALUES (2, 'x"+e.Odd+"y')")
			run(t, db, `DELETE FROM gateway.outbox`) // only a snapshot has these
			st := start(t, func(o *Options) {
				o.URL, o.Tables, o.Snapshot = options.NewURL(url), []string{`"` + e.Text + `"`}, "initial"
			}, newCollector())
			for _, f := range st.source.Probe(testenv.Context(t)) {
				if f.Level == plugin.Problem {
					t.Errorf("check --live: %+v", f)
				}
			}
			st.await(t, 2)
			awaitCursor(t, db, "coalesce((snapshot->'tables'->>'public."+e.Text+"')::json->>'done' = 'true', false)") // else later rows come twice
			testenv.ExecRaw(t, url, e.Name, "INSERT INTO plain VALUES (3, 'x"+e.Odd+"y')")
			run(t, db, fmt.Sprintf(`INSERT INTO plain VALUES (4, repeat('%s', 4000))`, e.Text))
			events := st.await(t, 4)
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
