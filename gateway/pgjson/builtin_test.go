package pgjson

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// builtinType is a type of PostgreSQL itself.
type builtinType struct {
	Name      string
	SQL       string // its name, qualified and quoted
	Array     uint32 // the OID of the type of its arrays; 0 if it has none
	Relation  string // whose rows are of the type; "" if it is no composite
	NullRow   string // a row of NULLs, as text
	HasPseudo bool   // whether the relation has columns that a user's table cannot have
}

// builtinTypesSQL lists the types that a column can have, but for arrays.
const builtinTypesSQL = `WITH RECURSIVE pseudo AS (
		SELECT oid FROM pg_type WHERE typtype = 'p' UNION
		SELECT t.oid FROM pseudo p JOIN pg_type t ON t.typtype <> 'p' AND (t.typelem = p.oid OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.atttypid = p.oid AND a.attnum > 0)))
	SELECT t.typname::text, format('%I.%I', n.nspname, t.typname), t.typarray, coalesce(c.oid::regclass::text, ''), '(' || repeat(',', coalesce(c.relnatts - 1, 0)) || ')',
		t.oid IN (SELECT oid FROM pseudo)
	FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
	WHERE t.oid < 16384 AND t.typtype IN ('b', 'd', 'e', 'c', 'r', 'm') AND t.typoutput <> 'array_out'::regproc ORDER BY t.oid`

// TestAppendEqualsRowToJSON compares Append with row_to_json for each type of PostgreSQL itself that a column can have.
func TestAppendEqualsRowToJSON(t *testing.T) {
	db := newSession(t)
	exec(t, db, `CREATE TABLE IF NOT EXISTS public.statistics AS SELECT i % 3 AS a, i % 2 AS b, i % 5 AS c FROM generate_series(1, 300) i;
		CREATE STATISTICS IF NOT EXISTS public.statistics_of ON a, b, c FROM public.statistics; ANALYZE public.statistics`)
	compared, arrays := 0, map[uint32]bool{}
	for _, b := range collect[builtinType](t, db, builtinTypesSQL) {
		values, known := builtinValues[b.Name]
		switch {
		case b.HasPseudo:
			arrays[b.Array] = true
			continue
		case b.Relation != "":
			values = []string{b.NullRow, "rows:SELECT r FROM " + b.Relation + " r WHERE length(r::text) < 5000 LIMIT 2"}
		case !known:
			t.Errorf("the type %s has no values in builtinValues", b.SQL)
			continue
		}
		list := b.SQL + "[]"
		if b.Array == 0 {
			list = "shape.d[]" // no array type; domains over the type have one
		}
		compared++
		arrays[b.Array] = true
		t.Run(b.Name, func(t *testing.T) { compareShapes(t, db, b.SQL, list, "", values) })
	}
	for _, oid := range collect[struct{ OID uint32 }](t, db, `SELECT t.oid FROM pg_type t JOIN pg_type e ON e.oid = t.typelem WHERE t.oid < 16384 AND t.typtype = 'b' AND t.typoutput = 'array_out'::regproc AND e.typtype <> 'p'`) {
		if !arrays[oid.OID] {
			t.Errorf("the array type %d is not compared", oid.OID)
		}
	}
	if compared < len(builtinValues) {
		t.Errorf("%d types were compared", compared)
	}
}

// TestAppendEqualsRowToJSONForOwnTypes is the same for types that users create.
func TestAppendEqualsRowToJSONForOwnTypes(t *testing.T) {
	db := newSession(t)
	for _, c := range []struct {
		name, ddl, sql string
		values         []string
	}{
		{"enum", `CREATE TYPE shape.own AS ENUM ('plain', 'two words', 'it''s', 'a "b" \c', 'x,y', '{', '(', 'NULL', ' ', 'é')`, "shape.own", []string{"plain", "two words", "it's", `a "b" \c`, "x,y", "{", "(", "NULL", " ", "é"}},
		{"range", `CREATE TYPE shape.own AS RANGE (subtype = text, multirange_type_name = shape.own_multirange)`, "shape.own", []string{"empty", `["a ""b""","c\\d")`, "(,)", "[é,)"}},
		{"multirange", `CREATE TYPE shape.range AS RANGE (subtype = text, multirange_type_name = shape.own)`, "shape.own", []string{"{}", `{["a ""b""","c\\d")}`}},
		{"nested composite", `CREATE TYPE shape.inner AS (at timestamptz, f float8, "x y" text[]); CREATE TYPE shape.own AS (i shape.inner, many shape.inner[], b box[])`, "shape.own",
			[]string{"(,,)", `expr:ROW(ROW('infinity', 'NaN', ARRAY['a "b"', NULL]), ARRAY[ROW('2024-07-01 12:00+00', 0.1, '{}')::shape.inner], '{(1,1),(0,0);(2,2),(1,1)}')::shape.own`}},
		{"no attributes", `CREATE TYPE shape.own AS ()`, "shape.own", []string{"()"}},
		{"dropped attributes", `CREATE TABLE shape.own (a int, b text, c date); ALTER TABLE shape.own DROP COLUMN b; ALTER TABLE shape.own ADD COLUMN "d ""e" boolean`, "shape.own", []string{"(1,2024-07-01,t)", "(,,)"}},
		{"domain over a domain over an array", `CREATE DOMAIN shape.inner AS timestamptz[]; CREATE DOMAIN shape.own AS shape.inner CHECK (cardinality(VALUE) < 9)`, "shape.own", []string{"{}", `{"2024-07-01 12:00:00+02",NULL}`, "[0:0]={infinity}"}},
		{"domain over a composite", `CREATE TYPE shape.inner AS (n numeric, t text); CREATE DOMAIN shape.own AS shape.inner`, "shape.own", []string{"(1.50,)", `(NaN,"")`}},
		{"base type of an extension", `CREATE EXTENSION citext SCHEMA shape`, "shape.citext", texts},
	} {
		t.Run(c.name, func(t *testing.T) { compareShapes(t, db, c.sql, c.sql+"[]", c.ddl, c.values) })
	}
}

func collect[T any](t testing.TB, db *pgx.Conn, sql string) []T {
	t.Helper()
	rows, err := db.Query(testenv.Context(t), sql)
	if err != nil {
		t.Fatal(err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[T])
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// insertSQL returns SQL that inserts values into shape.v.
func insertSQL(typeSQL string, values []string) string {
	var sql strings.Builder
	for _, v := range append(values, "expr:NULL") {
		sql.WriteString("INSERT INTO shape.v (x) ")
		if rows, ok := strings.CutPrefix(v, "rows:"); ok {
			sql.WriteString(rows)
		} else if expr, ok := strings.CutPrefix(v, "expr:"); ok {
			sql.WriteString("SELECT (" + expr + ")::" + typeSQL)
		} else {
			sql.WriteString("SELECT '" + strings.ReplaceAll(v, "'", "''") + "'::" + typeSQL)
		}
		sql.WriteString(";\n")
	}
	return sql.String()
}
