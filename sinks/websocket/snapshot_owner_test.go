package websocket

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

// makeHostile creates a role mallory that owns the table mallory.items, with code that runs when a row is read: a cast to JSON,
// and a function in an index. The code fails if it has the rights of a superuser, or can regain them.
func makeHostile(t *testing.T) {
	t.Helper()
	db := testenv.Connect(t)
	execSQL(t, db, testenv.RoleSQL("mallory")+`CREATE SCHEMA mallory AUTHORIZATION mallory; GRANT USAGE ON SCHEMA mallory TO PUBLIC;`)
	execSQL(t, testenv.ConnectAs(t, "mallory"), `
		CREATE FUNCTION mallory.spy() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
			BEGIN EXECUTE 'RESET ROLE'; EXCEPTION WHEN OTHERS THEN NULL; END;
			BEGIN EXECUTE 'SET SESSION AUTHORIZATION DEFAULT'; EXCEPTION WHEN OTHERS THEN NULL; END;
			BEGIN EXECUTE 'ALTER ROLE mallory SUPERUSER'; EXCEPTION WHEN OTHERS THEN NULL; END;
			RETURN current_user;
		END $$;
		CREATE FUNCTION mallory.guard(a text) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
			PERFORM mallory.spy();
			IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN RAISE EXCEPTION 'mallory runs as %', current_user; END IF;
			RETURN true;
		END $$;
		CREATE TYPE mallory.evil AS ENUM ('a');
		CREATE FUNCTION mallory.evil_json(mallory.evil) RETURNS json LANGUAGE sql AS $$ SELECT to_json(mallory.spy()) $$;
		CREATE CAST (mallory.evil AS json) WITH FUNCTION mallory.evil_json(mallory.evil);
		CREATE TABLE mallory.items (id int PRIMARY KEY, e mallory.evil);
		INSERT INTO mallory.items SELECT n, 'a' FROM generate_series(1, 300) n;
		CREATE INDEX ON mallory.items ((mallory.guard('constant')));`)
}

// TestSnapshotRunsTableOwnersCodeAsOwner: a superuser reads a table with the rights of its owner, whose code gains no others. Another
// role reads it only if the option owners has the owner.
func TestSnapshotRunsTableOwnersCodeAsOwner(t *testing.T) {
	makeHostile(t)
	db := testenv.Connect(t)
	execSQL(t, db, testenv.RoleSQL("reader"))
	execSQL(t, testenv.ConnectAs(t, "mallory"), "GRANT SELECT ON mallory.items TO reader; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA mallory TO reader")
	as := func(role string, owners ...string) func(*Options) {
		return func(o *Options) {
			withTable(t, "mallory.items")(o)
			o.Snapshot.Owners = owners
			if role != "" {
				o.Snapshot.URL = options.NewURL(testenv.RoleURL(t, role))
			}
		}
	}
	for name, c := range map[string]struct {
		set   func(*Options)
		as    string // as which role the code runs; "": the table is not read
		probe string
	}{
		"superuser": {as(""), "mallory", "the rows of mallory.items can be read"},
		"untrusted": {as("reader"), "", `its owner "mallory" could run code with the rights of "reader"`},
		"trusted":   {as("reader", "mallory"), "reader", "the rows of mallory.items can be read"},
	} {
		s, server := newSink(t, c.set, httptest.NewServer)
		a := requestSnapshot(t, server, "snapshot=mallory.items", nil)
		if c.as == "" && (a.status != 503 || strings.Contains(a.text, "mallory")) || c.as != "" && len(a.rows) != 300 {
			t.Errorf("%s: %d %s, %d rows", name, a.status, a.text, len(a.rows))
		}
		for _, row := range a.rows {
			if !strings.Contains(row, `"e":"`+c.as+`"`) {
				t.Fatalf("%s: the code ran as %s", name, row)
			}
		}
		findings := s.Probe(testenv.Context(t))
		if last := findings[len(findings)-1]; !strings.Contains(last.Text, c.probe) {
			t.Errorf("%s: check --live says %+v", name, last)
		}
	}
	var super bool
	if err := db.QueryRow(t.Context(), "SELECT rolsuper FROM pg_roles WHERE rolname = 'mallory'").Scan(&super); err != nil || super {
		t.Errorf("mallory is a superuser: %v, %v", super, err)
	}
}

// TestSnapshotProbe: check --live finds what prevents a snapshot, and how to correct it.
func TestSnapshotProbe(t *testing.T) {
	db := testenv.Connect(t)
	execSQL(t, db, testenv.RoleSQL("reader")+`DROP TABLE IF EXISTS a, keyless, hidden; DROP SCHEMA IF EXISTS shop CASCADE; CREATE SCHEMA shop; CREATE TABLE shop.b (id int PRIMARY KEY); CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE keyless (id int);
		CREATE TABLE hidden (id int PRIMARY KEY); ALTER TABLE hidden ENABLE ROW LEVEL SECURITY; GRANT SELECT ON a, keyless, hidden TO reader`)
	s, _ := newSink(t, func(o *Options) {
		withTable(t, "a", "shop.b", "keyless", "hidden", "missing")(o)
		o.Snapshot.URL = options.NewURL(testenv.RoleURL(t, "reader"))
	}, httptest.NewServer)
	var got []string
	for _, f := range s.Probe(testenv.Context(t))[1:] {
		got = append(got, fmt.Sprintf("%v: %s -> %s", f.Level, f.Text, f.Fix))
	}
	for i, want := range []string{
		"ok: the rows of public.a can be read -> ",
		`WRONG: the role reader may not read the table shop.b -> GRANT USAGE ON SCHEMA shop TO "reader"; GRANT SELECT ON shop.b TO "reader" -- as the owner`,
		"WRONG: a snapshot of public.keyless fails: the table has no primary key: create one, or remove the table from snapshot.tables -> ",
		`WRONG: the rows of public.hidden cannot be read for a snapshot: row-level security could hide some -> ALTER ROLE "reader" BYPASSRLS`,
		"WRONG: the table public.missing does not exist -> create it, or remove it from snapshot.tables",
	} {
		if i >= len(got) || !strings.HasPrefix(got[i], want) {
			t.Errorf("finding %d:\ngot  %v\nwant %s", i, got, want)
		}
	}
	down, _ := newSink(t, func(o *Options) {
		withTable(t, "a")(o)
		o.Snapshot.URL = options.NewURL("postgres://user:canary@127.0.0.1:1/d")
	}, httptest.NewServer)
	if found := down.Probe(testenv.Context(t)); len(found) != 1 || found[0].Level != plugin.Problem || strings.Contains(found[0].Text, "canary") {
		t.Errorf("an unavailable server: %+v", found)
	}
	none, _ := newSink(t, nil, httptest.NewServer)
	if found := none.Probe(testenv.Context(t)); found != nil {
		t.Errorf("without snapshots: %+v", found)
	}
}

// TestSnapshotOfOtherEncodings: rows of databases of other encodings are UTF-8.
func TestSnapshotOfOtherEncodings(t *testing.T) {
	for _, e := range testenv.Encodings {
		database := testenv.Database(t, "snapshot_"+strings.ToLower(e.Name), e.Name)
		execSQL(t, testenv.ConnectURL(t, database+"&client_encoding=UTF8"), "CREATE TABLE texts (id text PRIMARY KEY, note text); INSERT INTO texts VALUES ('a,b', '"+e.Text+"')")
		want := e.Text
		if e.Odd != "" {
			testenv.ExecRaw(t, database, e.Name, "UPDATE texts SET note = '"+e.Odd+"'")
			want = e.Reads
		}
		_, server := newSink(t, func(o *Options) {
			withTable(t, "texts")(o)
			o.Snapshot.URL = options.NewURL(database)
		}, httptest.NewServer)
		a := requestSnapshot(t, server, "snapshot=texts&filter="+url.QueryEscape(`event.key == "public.texts:a,b"`), nil)
		if len(a.rows) != 1 || !strings.Contains(a.rows[0], `"note":"`+want+`"`) {
			t.Errorf("%s: %q, %+v %s", e.Name, a.rows, a.last, a.text)
		}
	}
}

// TestSnapshotOptions: options that cannot work together are problems.
func TestSnapshotOptions(t *testing.T) {
	database := options.NewURL("postgres://h/d")
	for want, set := range map[string]func(*Options){
		"":                   func(o *Options) { o.Snapshot.URL, o.Snapshot.Tables = database, []string{"a"} },
		"snapshot.tables":    func(o *Options) { o.Snapshot.URL = database },
		"snapshot.url":       func(o *Options) { o.Snapshot.Tables = []string{"a"} },
		"snapshot.tables[1]": func(o *Options) { o.Snapshot.URL, o.Snapshot.Tables = database, []string{"a", "a b"} },
		"history":            func(o *Options) { o.Snapshot.URL, o.Snapshot.Tables, o.History.Events = database, []string{"a"}, 0 },
	} {
		o := Type().Defaults().(*Options)
		set(o)
		var got []string
		o.Check(func(option, _ string) { got = append(got, option) })
		if strings.Join(got, " ") != want {
			t.Errorf("got %q, want %s", got, want)
		}
	}
}
