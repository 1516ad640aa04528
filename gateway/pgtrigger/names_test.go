package pgtrigger_test

import (
	"os"
	"testing"

	"pgregory.net/rapid"

	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/testenv"
)

// TestQualifiedNames: no two tables have one name, and each is read as what it was written of.
func TestQualifiedNames(t *testing.T) {
	part := rapid.StringOfN(rapid.SampledFrom([]rune(`ab.:"é`)), 1, 6, -1)
	seen := map[string]pgtrigger.Table{}
	db := testenv.Connect(t)
	rapid.Check(t, func(rt *rapid.T) {
		table := pgtrigger.Table{Schema: part.Draw(rt, "schema"), Name: part.Draw(rt, "name")}
		name := table.Qualified()
		if other, ok := seen[name]; ok && other != table {
			rt.Fatalf("%q and %q are both %s", table, other, name)
		}
		seen[name] = table
		if got, ok := pgtrigger.ParseQualified(name); !ok || got != table {
			rt.Fatalf("%q is written %s, and read %q", table, name, got)
		}
		var inSQL string
		if err := db.QueryRow(testenv.Context(t), "SELECT "+pgtrigger.QualifiedNameSQL("a", "b")+" FROM (SELECT $1::text::name AS a, $2::text::name AS b) x", table.Schema, table.Name).Scan(&inSQL); err != nil || inSQL != name {
			rt.Fatalf("in SQL %s is %s, %v", name, inSQL, err)
		}
	})
}

// TestUpgradeOfNamesWithDots: changes that wait get the name that is theirs, where only one table can have written them.
func TestUpgradeOfNamesWithDots(t *testing.T) {
	db := testenv.Connect(t)
	old, err := os.ReadFile("testdata/past/outbox-5.sql")
	if err != nil {
		t.Fatal(err)
	}
	const dotted = `DROP SCHEMA IF EXISTS a CASCADE; DROP SCHEMA IF EXISTS "a.b" CASCADE; CREATE SCHEMA a; CREATE SCHEMA "a.b"; CREATE TABLE "a.b".c (id int PRIMARY KEY); CREATE TABLE a."b.c" (id int PRIMARY KEY); CREATE TABLE a."x.y" (id int PRIMARY KEY);`
	capture := func(table, schema, name string) string {
		return `CREATE TRIGGER "!gateway_json" AFTER INSERT OR UPDATE OR DELETE ON ` + table + ` FOR EACH ROW EXECUTE FUNCTION gateway.outbox_row();
			CREATE TRIGGER "!gateway_outbox" AFTER INSERT OR UPDATE OR DELETE ON ` + table + ` FOR EACH ROW EXECUTE FUNCTION gateway.outbox_capture('` + schema + "." + name + `', '` + schema + `', '` + name + `');
			CREATE TRIGGER "!gateway_outbox_truncate" AFTER TRUNCATE ON ` + table + ` FOR EACH STATEMENT EXECUTE FUNCTION gateway.outbox_capture('` + schema + "." + name + `', '` + schema + `', '` + name + `');`
	}
	exec(t, db, shopTables+dotted)
	exec(t, db, string(old))
	exec(t, db, capture(`"a.b".c`, "a.b", "c")+capture(`a."b.c"`, "a", "b.c")+capture(`a."x.y"`, "a", "x.y"))
	exec(t, db, `INSERT INTO "a.b".c VALUES (1); INSERT INTO a."b.c" VALUES (2); INSERT INTO a."x.y" VALUES (3)`)
	for range 2 { // once more changes nothing
		exec(t, db, pgtrigger.Outbox{Tables: []pgtrigger.Table{{Schema: "a.b", Name: "c"}}}.CreateSQL())
	}
	exec(t, db, `INSERT INTO "a.b".c VALUES (4); INSERT INTO a."b.c" VALUES (5); INSERT INTO a."x.y" VALUES (6); TRUNCATE a."x.y"`)
	if got, want := text(t, db, `SELECT string_agg(tbl || ' ' || coalesce(new->>'id', ''), '; ' ORDER BY id) FROM gateway.outbox`),
		`a.b.c 1; a.b.c 2; a."x.y" 3; "a.b".c 4; a."b.c" 5; a."x.y" 6; a."x.y" `; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	exec(t, db, `DROP SCHEMA a CASCADE; DROP SCHEMA "a.b" CASCADE`)
}
