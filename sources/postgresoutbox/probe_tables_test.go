package postgresoutbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// TestProbeOfTables checks missing columns, schemas and rights, and that each fix works.
func TestProbeOfTables(t *testing.T) {
	db := resetDatabase(t, `DROP SCHEMA IF EXISTS "Shop" CASCADE; DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN; CREATE SCHEMA "Shop"; CREATE TABLE "Shop".items (id int PRIMARY KEY)`, `"Shop".items`)
	t.Cleanup(func() {
		sourcetest.Exec(t, testenv.Connect(t), `DROP SCHEMA IF EXISTS gateway CASCADE; DROP SCHEMA "Shop" CASCADE; DROP OWNED BY reader; DROP ROLE reader`)
	})
	set := func(o *Options) { o.Tables, o.Wake = []string{`"Shop".items`}, "poll" }
	check := func(what string, set func(*Options), want, fix string) {
		t.Helper()
		got := probeText(t, set)
		if !strings.Contains(got, want) {
			t.Errorf("%s: want %s in\n%s", what, want, got)
		}
		if fix == "" && strings.Contains(got, "WRONG:") {
			t.Errorf("%s:\n%s", what, got)
		}
		if _, mend, found := strings.Cut(got, want+" -> "); fix != "" && found {
			mend, _, _ = strings.Cut(mend, "\n")
			if mend, _, _ = strings.Cut(mend, " -- "); mend != fix {
				t.Errorf("%s is mended by %q, want %q", what, mend, fix)
				return
			}
			sourcetest.Exec(t, db, mend)
		}
	}
	check("all is there", set, "ok: the role", "")
	sourcetest.Exec(t, db, "ALTER TABLE gateway.outbox DROP COLUMN old; ALTER TABLE gateway.outbox_reader DROP COLUMN snapshot")
	check("no column old", set, "WRONG: the table gateway.outbox has no column old", "ALTER TABLE gateway.outbox ADD COLUMN old json")
	check("no column snapshot", set, "WRONG: the table gateway.outbox_reader has no column snapshot", "ALTER TABLE gateway.outbox_reader ADD COLUMN snapshot json")
	check("the columns are back", set, "ok: the role", "")

	as := func(setting string, snapshot string) func(o *Options) {
		return func(o *Options) {
			set(o)
			o.URL, o.Snapshot = options.NewURL(strings.Replace(testenv.Postgres(t).URL(), "postgres@", "reader@", 1)+setting), snapshot
		}
	}
	sourcetest.Exec(t, db, `GRANT USAGE ON SCHEMA gateway TO reader; GRANT SELECT ON SEQUENCE gateway.outbox_id_seq TO reader; GRANT SELECT, DELETE ON gateway.outbox TO reader;
		GRANT SELECT, INSERT, UPDATE ON gateway.outbox_reader TO reader; GRANT SELECT, DELETE ON gateway.outbox_detached TO reader; GRANT SELECT ON "Shop".items TO reader`)
	check("no USAGE of the table's schema", as("", "initial"), `WRONG: the role "reader" lacks rights`, `GRANT USAGE ON SCHEMA "Shop" TO "reader"`)
	check("USAGE of the table's schema", as("", "initial"), "ok: the role", "")
	check("a session that only reads", as("&options=-c%20default_transaction_read_only%3Don", "never"), "WRONG: this session may only read: the cursor cannot be stored", `ALTER ROLE "reader" SET default_transaction_read_only = off`)
}

// TestProbeOfAStandby proves that a standby is a problem although it can be read.
func TestProbeOfAStandby(t *testing.T) {
	server, ctx := testenv.StartPostgres(t), testenv.Context(t)
	db, err := pgx.Connect(ctx, server.URL())
	if err != nil {
		t.Fatal(err)
	}
	sourcetest.Exec(t, db, sourcetest.ItemsSQL)
	sourcetest.Exec(t, db, outbox(t, "items").CreateSQL())
	var dir string
	if err := db.QueryRow(ctx, "SHOW data_directory").Scan(&dir); err != nil {
		t.Fatal(err)
	}
	db.Close(ctx)
	set := func(o *Options) { o.URL, o.Tables, o.Wake = options.NewURL(server.URL()), []string{"items"}, "poll" }
	if got := probeText(t, set); strings.Contains(got, "WRONG:") {
		t.Errorf("the primary:\n%s", got)
	}
	if err := server.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "standby.signal"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	started := make(chan error, 1)
	go func() { started <- server.Start(ctx) }() // which waits until it is a primary
	for db, err = pgx.Connect(ctx, server.URL()); err != nil; db, err = pgx.Connect(ctx, server.URL()) {
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
	defer db.Close(ctx)
	if got := probeText(t, set); !strings.HasPrefix(got, "WRONG: connected to ") || !strings.Contains(got, "which is a hot standby") || !strings.Contains(got, "target_session_attrs=read-write") {
		t.Errorf("the standby:\n%s", got)
	}
	sourcetest.Exec(t, db, "SELECT pg_promote()")
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	if got := probeText(t, set); strings.Contains(got, "WRONG:") {
		t.Errorf("promoted:\n%s", got)
	}
}
