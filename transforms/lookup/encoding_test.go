package lookup

import (
	"fmt"
	"testing"

	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

// TestEncodings of databases: parameters and rows are UTF-8.
func TestEncodings(t *testing.T) {
	for _, e := range testenv.Encodings {
		t.Run(e.Name, func(t *testing.T) {
			url := testenv.Database(t, "encoded", e.Name)
			db := testenv.ConnectURL(t, url+"&client_encoding=UTF8")
			if _, err := db.Exec(testenv.Context(t), fmt.Sprintf(`ALTER DATABASE encoded SET standard_conforming_strings = off; CREATE TABLE names (name text, raw text DEFAULT E'a\\b'); INSERT INTO names VALUES ('%s')`, e.Text)); err != nil {
				t.Fatal(err)
			}
			tr := plugintest.NewTransform(t, Type(), fmt.Sprintf(`{url: %q, into: c, params: [name], query: "SELECT name, raw FROM names WHERE name = $1", cache: {size: 0}}`, url), plugintest.Env(t))
			in := fmt.Sprintf(`{"name":"%s"}`, e.Text)
			out, err := plugintest.Apply(testenv.Context(t), tr, plugintest.NewEvent(in))
			if want := fmt.Sprintf(`{"name":"%s","c":{"name":"%[1]s","raw":"a\\b"}}`, e.Text); err != nil || string(out[0].Data) != want {
				t.Errorf("%v, %v, want %s", out, err, want)
			}
		})
	}
}

// TestSettingsOfSessions of the role and the database do not show; those of the URL do.
func TestSettingsOfSessions(t *testing.T) {
	db := resetCustomers(t)
	exec := func(sql string) {
		t.Helper()
		if _, err := db.Exec(testenv.Context(t), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec(testenv.TypesSQL("types") + `ALTER TABLE types DROP COLUMN class, DROP COLUMN kind; INSERT INTO types (id) VALUES (1)`) // the query has the search path of the role
	ask := func(url string) string {
		t.Helper()
		tr := plugintest.NewTransform(t, Type(), fmt.Sprintf(`{url: %q, into: c, query: "SELECT * FROM public.types", cache: {size: 0}}`, url), plugintest.Env(t))
		out, err := plugintest.Apply(testenv.Context(t), tr, plugintest.NewEvent(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		return string(out[0].Data)
	}
	url := testenv.Postgres(t).URL()
	want := ask(url)
	for _, setting := range testenv.SessionSettings {
		exec(`ALTER ROLE postgres SET ` + setting)
		if got := ask(url); got != want {
			t.Errorf("%s:\n%s, want\n%s", setting, got, want)
		}
		exec(`ALTER ROLE postgres RESET ALL`)
	}
	if got := ask(url + "&timezone=Asia/Tokyo"); got == want {
		t.Error("the time zone of the URL does not show")
	}
}
