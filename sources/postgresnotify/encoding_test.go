package postgresnotify

import (
	"fmt"
	"strings"
	"testing"

	"eventgateway/gateway/options"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

// TestEncodings of databases: channels, names of tables, and rows, small and fetched, arrive as
// UTF-8, also where a byte is one that UTF-8 cannot say.
func TestEncodings(t *testing.T) {
	for _, e := range testenv.Encodings {
		t.Run(e.Name, func(t *testing.T) {
			url := testenv.Database(t, "encoded", e.Name)
			db := testenv.ConnectURL(t, url+"&client_encoding=UTF8")
			table := pgtrigger.Table{Schema: "public", Name: e.Text}
			exec(t, db, fmt.Sprintf(`ALTER DATABASE encoded SET standard_conforming_strings = off; CREATE TABLE %s (id int PRIMARY KEY, note text, raw text DEFAULT E'a\\b'); CREATE VIEW plain AS SELECT * FROM %[1]s`, table))
			exec(t, db, pgtrigger.Notify{Table: table, Channel: e.Text, Field: "order"}.CreateSQL())
			s := newTestSource(t, func(o *Options) { o.URL, o.Channels = options.NewURL(url), []string{e.Text} })
			for _, f := range s.Probe(testenv.Context(t)) {
				if f.Level != plugin.OK {
					t.Errorf("check --live: %+v", f)
				}
			}
			next := startRun(t, s)
			for i, note := range []string{e.Text, strings.Repeat(e.Text, 4000)} {
				exec(t, db, fmt.Sprintf(`INSERT INTO plain VALUES (%d, '%s')`, i, note))
				if got, want := next(), fmt.Sprintf(`{"operation" : "INSERT", "order" : {"id":%d,"note":"%s","raw":"a\\b"}}`, i, note); got != want {
					t.Errorf("got  %.200s\nwant %.200s", got, want)
				}
			}
			for i, big := range []string{"", strings.Repeat("z", 9000)} {
				testenv.ExecRaw(t, url, e.Name, fmt.Sprintf("INSERT INTO plain VALUES (%d, 'x%sy%s')", 10+i, e.Odd, big))
				if got, want := next(), fmt.Sprintf(`{"operation" : "INSERT", "order" : {"id":%d,"note":"x%sy%s","raw":"a\\b"}}`, 10+i, e.Reads, big); got != want {
					t.Errorf("got  %.200s\nwant %.200s", got, want)
				}
			}
		})
	}
}
