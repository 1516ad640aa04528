package postgresoutbox

import (
	"testing"

	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// rowText is the row of a table as it must arrive, whatever a session has set.
func rowText(t testing.TB, table, id string) (text string) {
	t.Helper()
	c := newSession(t)
	sourcetest.Exec(t, c, pgconn.SetSQL(pgconn.RowSettings, false))
	if err := c.QueryRow(testenv.Context(t), "SELECT row_to_json(r)::text FROM public."+table+" r WHERE id = "+id).Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}

// TestSettingsOfSessions of the writer, the role and the database do not show: a row has the same bytes in
// changes and in a snapshot.
func TestSettingsOfSessions(t *testing.T) {
	for _, setting := range append(testenv.SessionSettings, "") {
		t.Run(setting, func(t *testing.T) {
			db := resetDatabase(t, testenv.TypesSQL("types")+`INSERT INTO types (id) VALUES (1)`, "types")
			want := `{"operation" : "READ", "order" : ` + rowText(t, "types", "1") + `}`
			if setting != "" {
				sourcetest.Exec(t, db, `ALTER ROLE postgres SET `+setting+`; ALTER DATABASE postgres SET `+setting)
				t.Cleanup(func() { sourcetest.Exec(t, db, `ALTER ROLE postgres RESET ALL; ALTER DATABASE postgres RESET ALL`) })
			}
			st := start(t, func(o *Options) { o.Snapshot, o.Tables = "initial", []string{"types"} }, sourcetest.NewCollector())
			if got := string(st.Await(t, 1)[0].Data); got != want {
				t.Errorf("snapshot:\n%s, want\n%s", got, want)
			}
			awaitCursor(t, db, "coalesce((snapshot->'tables'->'public.types'->>'done')::bool, false)") // else later rows come twice
			writer := newSession(t)                                                                    // has what the role and the database say
			sourcetest.Exec(t, writer, `INSERT INTO public.types (id) VALUES (2); UPDATE public.types SET note = 'x' WHERE id = 2`)
			want = `{"operation" : "UPDATE", "order" : ` + rowText(t, "types", "2") + `}`
			if got := string(st.Await(t, 3)[2].Data); got != want {
				t.Errorf("change:\n%s, want\n%s", got, want)
			}
		})
	}
}
