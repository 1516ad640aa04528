package postgres

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

// TestRefusalsHaveOneOwner proves that a missing table, column or right is the failure of the sink, which ends with a change at the
// server, and that a missing row of another table, a policy and a trigger are failures of single events.
func TestRefusalsHaveOneOwner(t *testing.T) {
	db := testenv.Connect(t)
	execSQL(t, db, `DROP TABLE IF EXISTS children, parents; CREATE TABLE parents (id int PRIMARY KEY);`+testenv.RoleSQL("writer"))
	s := newSink(t, Options{URL: options.NewURL(testenv.RoleURL(t, "writer")), Table: "children", Columns: columns("id", "id", "parent", "parent"), Owners: []string{"postgres"}})
	child := func(id, parent int) *event.Event {
		return eventOf("", fmt.Sprintf(`{"id":%d,"parent":%d}`, id, parent))
	}
	expect := func(want string, events ...*event.Event) {
		t.Helper()
		for i, text := range outcomes(t, s, events...) {
			if !strings.HasPrefix(text, want) {
				t.Errorf("event %d: %s, want %s", i, text, want)
			}
		}
	}
	expect("unavailable: the table children does not exist", child(1, 1), child(2, 2))
	execSQL(t, db, `CREATE TABLE children (id int)`)
	expect(`unavailable: the table public.children has no column parent: add it`, child(1, 1), child(2, 2))
	execSQL(t, db, `ALTER TABLE children ADD parent int REFERENCES parents`)
	expect(`unavailable: children: permission denied for table children (SQLSTATE 42501)`, child(1, 1), child(2, 2))
	execSQL(t, db, `GRANT INSERT ON children TO writer; INSERT INTO parents VALUES (1)`)
	expect("ok", child(1, 1))
	if got := outcomes(t, s, child(2, 1), child(3, 2), child(4, 1)); got[0] != "ok" || got[2] != "ok" || !strings.HasPrefix(got[1], `children: insert or update on table "children" violates foreign key constraint`) {
		t.Errorf("a missing parent: %q", got)
	}
	execSQL(t, db, `INSERT INTO parents VALUES (2)`)
	expect("ok", child(3, 2))

	execSQL(t, db, `ALTER TABLE children ENABLE ROW LEVEL SECURITY; CREATE POLICY small ON children TO writer WITH CHECK (id < 100)`)
	if got := outcomes(t, s, child(5, 1), child(101, 1)); got[0] != "ok" || !strings.HasPrefix(got[1], `permanent: children: new row violates row-level security policy`) {
		t.Errorf("a policy: %q", got)
	}
	execSQL(t, db, `CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF NEW.id = 6 THEN RAISE EXCEPTION ''six''; END IF; RETURN NEW; END'; CREATE TRIGGER refuse BEFORE INSERT ON children FOR EACH ROW EXECUTE FUNCTION refuse()`)
	if got := outcomes(t, s, child(6, 1), child(7, 1)); got[1] != "ok" || got[0] != "permanent: children: six (SQLSTATE P0001)" {
		t.Errorf("a trigger: %q", got)
	}
	execSQL(t, db, `ALTER TABLE children DROP COLUMN parent CASCADE, ADD parent text`)
	s.disconnect()
	expect("ok", child(8, 1)) // the types are looked up again
	// Triggers that use the search path of the role, or fail in other ways for some rows.
	execSQL(t, db, `CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE x int; BEGIN
		CASE NEW.id WHEN 9 THEN SELECT p.id INTO STRICT x FROM parents p WHERE p.id = -1; WHEN 10 THEN PERFORM FROM missing; WHEN 11 THEN RAISE EXCEPTION 'own' USING ERRCODE = 'ZZ001';
			ELSE PERFORM FROM parents; END CASE; RETURN NEW; END $$; GRANT SELECT ON parents TO writer`)
	got := outcomes(t, s, child(12, 1), child(9, 1), child(13, 1), child(10, 1), child(11, 1), child(14, 1))
	for i, want := range []string{"ok", "permanent: children: query returned no rows (SQLSTATE P0002)", "ok", `children: relation "missing" does not exist (SQLSTATE 42P01)`, "children: own (SQLSTATE ZZ001)", "ok"} {
		if got[i] != want {
			t.Errorf("event %d: %s, want %s", i, got[i], want)
		}
	}
	if rows := rowsIn(t, db, `SELECT string_agg(id::text, ' ' ORDER BY id) FROM children`); rows[0] != "1 2 3 4 5 7 8 12 13 14" {
		t.Errorf("rows %s", rows)
	}
}

// TestCodeOfOthersDoesNotRun proves that the sink does not write to a table if code of a role that is not trusted would run with its rights.
func TestCodeOfOthersDoesNotRun(t *testing.T) {
	db := testenv.Connect(t)
	execSQL(t, db, testenv.RoleSQL("evil")+testenv.RoleSQL("writer")+`DROP SCHEMA IF EXISTS evil CASCADE; CREATE SCHEMA evil AUTHORIZATION evil; DROP TABLE IF EXISTS targets, secrets; CREATE TABLE targets (id int); GRANT ALL ON targets TO writer;
		CREATE TABLE secrets (x text); GRANT INSERT ON secrets TO writer; GRANT USAGE ON SCHEMA evil TO writer; GRANT TRIGGER ON targets TO evil`)
	evil := testenv.ConnectAs(t, "evil")
	execSQL(t, evil, `CREATE FUNCTION evil.steal() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.secrets VALUES (session_user); RETURN NEW; END';
		CREATE TRIGGER steal BEFORE INSERT ON public.targets FOR EACH ROW EXECUTE FUNCTION evil.steal();
		CREATE TABLE evil.bait (id int DEFAULT 1); GRANT ALL ON evil.bait TO writer; CREATE TRIGGER steal BEFORE INSERT ON evil.bait FOR EACH ROW EXECUTE FUNCTION evil.steal()`)
	for _, table := range []string{"targets", "evil.bait"} {
		for _, url := range []string{testenv.RoleURL(t, "writer"), testenv.Postgres(t).URL()} {
			s := newSink(t, Options{URL: options.NewURL(url), Table: table, Columns: columns("id", "id")})
			got := outcomes(t, s, eventOf("", `{"id":1}`))
			if !strings.HasPrefix(got[0], "unavailable: ") || !strings.Contains(got[0], `"evil"`) || !strings.Contains(got[0], "owners") {
				t.Errorf("%s: %s", table, got[0])
			}
		}
	}
	if n := rowsIn(t, db, `SELECT count(*)::text FROM secrets`); n[0] != "0" {
		t.Errorf("the trigger has run %s times", n)
	}
	execSQL(t, db, `DROP TABLE IF EXISTS parts, seen; CREATE TABLE parts (id int) PARTITION BY LIST (id); CREATE TABLE part1 PARTITION OF parts FOR VALUES IN (1); GRANT ALL ON parts TO writer;
		CREATE TABLE seen (id text PRIMARY KEY, at timestamptz DEFAULT now()); GRANT ALL ON seen TO writer; DROP TABLE IF EXISTS innocent, defaults; CREATE TABLE innocent (id int); GRANT ALL ON innocent TO writer;
		CREATE TABLE defaults (id int, x int); GRANT ALL ON defaults TO writer; GRANT USAGE ON SCHEMA evil TO PUBLIC`)
	execSQL(t, evil, `CREATE FUNCTION evil.number() RETURNS int LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.secrets VALUES (session_user); RETURN 1; END'`)
	execSQL(t, db, `CREATE TRIGGER steal BEFORE INSERT ON part1 FOR EACH ROW EXECUTE FUNCTION evil.steal(); CREATE TRIGGER steal BEFORE INSERT ON seen FOR EACH ROW EXECUTE FUNCTION evil.steal();
		ALTER TABLE defaults ALTER x SET DEFAULT evil.number()`)
	for _, o := range []Options{{Table: "parts"}, {Table: "innocent", Delivered: "seen"}, {Table: "defaults"}} {
		o.URL, o.Columns, o.Owners = options.NewURL(testenv.RoleURL(t, "writer")), columns("id", "id"), []string{"postgres"}
		if got := outcomes(t, newSink(t, o), eventOf("1", `{"id":1}`)); !strings.HasPrefix(got[0], "unavailable: ") || !strings.Contains(got[0], `"evil"`) {
			t.Errorf("%s: %s", o.Table, got[0])
		}
	}
	if n := rowsIn(t, db, `SELECT count(*)::text FROM secrets`); n[0] != "0" {
		t.Errorf("code of evil has run %s times", n)
	}
	s := newSink(t, Options{URL: options.NewURL(testenv.RoleURL(t, "writer")), Table: "targets", Columns: columns("id", "id"), Owners: []string{"evil"}})
	if got := outcomes(t, s, eventOf("", `{"id":1}`)); got[0] != "ok" {
		t.Error(got)
	}
}

// TestLostAnswerToCommit proves that events are written once if the connection is lost between COMMIT and its answer, and also if it is
// cut at any other moment.
func TestLostAnswerToCommit(t *testing.T) {
	db, holder := testenv.Connect(t), testenv.Connect(t)
	execSQL(t, db, deliveredTable+`DROP TABLE IF EXISTS cut; CREATE TABLE cut (n int);
		CREATE OR REPLACE FUNCTION await_lock() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(4711); RETURN NULL; END';
		CREATE CONSTRAINT TRIGGER await_lock AFTER INSERT ON cut DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION await_lock()`)
	proxy, url := testenv.ProxyURL(t, testenv.Postgres(t).URL())
	s := newSink(t, Options{URL: options.NewURL(url), Table: "cut", Columns: columns("n", "n"), Delivered: "written"})
	const batches, size = 30, 20
	for b := range batches {
		var events []*event.Event
		for i := range size {
			events = append(events, eventOf(fmt.Sprint("cut-", b*size+i), fmt.Sprintf(`{"n":%d}`, b*size+i)))
		}
		execSQL(t, holder, `SELECT pg_advisory_lock(4711)`)
		done := make(chan error, 1)
		go func() { done <- s.Write(testenv.Context(t), events) }()
		if b%3 > 0 { // while COMMIT waits
			testenv.Eventually(t, testenv.Wait, "COMMIT", func() bool {
				return rowsIn(t, db, `SELECT count(*)::text FROM pg_stat_activity WHERE query = 'commit' AND wait_event = 'advisory'`)[0] == "1"
			})
		}
		if b%3 == 1 {
			proxy.LoseAnswers()
			execSQL(t, holder, `SELECT pg_advisory_unlock(4711)`)
		} else {
			proxy.Cut()
			execSQL(t, holder, `SELECT pg_advisory_unlock(4711)`)
		}
		for err := range done {
			if err == nil {
				break
			}
			if !plugin.IsUnavailable(err) {
				t.Fatalf("batch %d: %v", b, err)
			}
			go func() { done <- s.Write(testenv.Context(t), events) }()
		}
	}
	got := rowsIn(t, db, `SELECT format('%s %s %s', count(*), count(DISTINCT n), max(n)) FROM cut`)
	if want := []string{fmt.Sprintf("%d %[1]d %d", batches*size, batches*size-1)}; !slices.Equal(got, want) {
		t.Errorf("rows %q, want %q", got, want)
	}
}

// TestProbeFindsRights proves that check --live names the rights that the role lacks, and a role that has too many.
func TestProbeFindsRights(t *testing.T) {
	db := testenv.Connect(t)
	execSQL(t, db, ordersTable+deliveredTable+testenv.RoleSQL("writer")+`GRANT INSERT, SELECT ON copies TO writer; GRANT INSERT (id), SELECT ON written TO writer`)
	o := copies(t, "written")
	o.Owners = []string{"postgres"}
	findings := func(url string) (text string) {
		o.URL = options.NewURL(url)
		for _, f := range newSink(t, o).Probe(testenv.Context(t)) {
			text += fmt.Sprintf("%v: %s (%s)\n", f.Level, f.Text, f.Fix)
		}
		return text
	}
	got := findings(testenv.RoleURL(t, "writer"))
	for _, want := range []string{
		`WRONG: the role writer lacks rights on public.copies: DELETE, UPDATE (GRANT DELETE, UPDATE ON public.copies TO "writer")`,
		`WRONG: the role writer lacks rights on public.written: DELETE (GRANT DELETE ON public.written TO "writer")`,
		"ok: the table public.copies has the columns, with the types integer, bigint, text",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in\n%s", want, got)
		}
	}
	if got := findings(testenv.Postgres(t).URL()); !strings.Contains(got, "warning: the role postgres is a superuser, or owns the table") || strings.Contains(got, "WRONG") {
		t.Errorf("a superuser:\n%s", got)
	}
	execSQL(t, db, `GRANT UPDATE, DELETE ON copies TO writer; GRANT DELETE ON written TO writer`)
	if got := findings(testenv.RoleURL(t, "writer")); strings.Contains(got, "WRONG") || strings.Contains(got, "warning") {
		t.Errorf("all rights:\n%s", got)
	}
	execSQL(t, db, `ALTER TABLE copies DROP CONSTRAINT copies_pkey`)
	if got := findings(testenv.RoleURL(t, "writer")); !strings.Contains(got, `WRONG: the table public.copies has no primary key and no unique index on "shop", "id"`) {
		t.Errorf("no key:\n%s", got)
	}
}
