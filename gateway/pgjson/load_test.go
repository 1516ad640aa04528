package pgjson

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/testenv"
)

// countingQuerier counts queries.
type countingQuerier struct {
	*pgx.Conn
	queries int
}

func (q *countingQuerier) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	q.queries++
	return q.Conn.Query(ctx, sql, args...)
}

// textOf returns the OID of an expression's type, and the value in text format.
func textOf(t *testing.T, db *pgx.Conn, typeSQL, expression string) (oid uint32, text []byte) {
	t.Helper()
	if err := db.QueryRow(testenv.Context(t), "SELECT $1::text::regtype::oid", typeSQL).Scan(&oid); err != nil {
		t.Fatal(err)
	}
	results, err := db.PgConn().Exec(testenv.Context(t), "SELECT "+expression).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return oid, results[0].Rows[0][0]
}

func load(t *testing.T, types *Types, q Querier, oids ...uint32) {
	t.Helper()
	if err := types.Load(testenv.Context(t), q, oids); err != nil {
		t.Fatal(err)
	}
}

// TestLoadReadsEachTypeOnce proves that one query reads types with all that they consist of, and none reads them again.
func TestLoadReadsEachTypeOnce(t *testing.T) {
	db := newSession(t)
	exec(t, db, `BEGIN; CREATE TYPE pg_temp.inner_type AS (n int, day date); CREATE DOMAIN pg_temp.some AS pg_temp.inner_type[]; CREATE TYPE pg_temp.outer_type AS (s pg_temp.some, ok bool)`)
	defer exec(t, db, "ROLLBACK")
	oid, text := textOf(t, db, "pg_temp.outer_type", `ROW(ARRAY[ROW(1, '2024-07-01')::pg_temp.inner_type], true)::pg_temp.outer_type`)
	types, q := NewTypes(), &countingQuerier{Conn: db}
	for range 2 {
		load(t, types, q, oid, oidInt4, oidInt4)
		load(t, types, q, oid)
	}
	if got, err := types.Append(nil, oid, text); err != nil || string(got) != `{"s":[{"n":1,"day":"2024-07-01"}],"ok":true}` || q.queries != 1 {
		t.Errorf("%s, %v after %d queries", got, err, q.queries)
	}
	if !types.Loaded(oid) || !types.Loaded(oidDate) || types.Loaded(oidText) {
		t.Error("Loaded is wrong")
	}
	load(t, types, q, oidText, oid)
	if q.queries != 2 || !types.Loaded(oidText) {
		t.Errorf("%d queries", q.queries)
	}
}

// TestLoadOfMissingTypes proves that values of a type that was dropped are strings.
func TestLoadOfMissingTypes(t *testing.T) {
	types, q := NewTypes(), &countingQuerier{Conn: newSession(t)}
	load(t, types, q, 4294967290)
	load(t, types, q, 4294967290)
	if got, err := types.Append(nil, 4294967290, []byte(`a "b"`)); err != nil || string(got) != `"a \"b\""` || q.queries != 1 {
		t.Errorf("%s, %v after %d queries", got, err, q.queries)
	}
	ctx, cancel := context.WithCancel(testenv.Context(t))
	cancel()
	if err := types.Load(ctx, q, []uint32{oidInt4}); !errors.Is(err, context.Canceled) || types.Loaded(oidInt4) {
		t.Errorf("a query that fails: %v", err)
	}
}

// TestCompositeChangesAfterLoad proves that a row with more fields is an error until the type is loaded again, and that a row
// with less fields has the names of the first.
func TestCompositeChangesAfterLoad(t *testing.T) {
	db := newSession(t)
	exec(t, db, `BEGIN; CREATE TYPE pg_temp.part AS (a int)`)
	defer exec(t, db, "ROLLBACK")
	oid, before := textOf(t, db, "pg_temp.part[]", "ARRAY[ROW(1)::pg_temp.part]")
	types := NewTypes()
	load(t, types, db, oid)
	exec(t, db, `ALTER TYPE pg_temp.part ADD ATTRIBUTE b timestamp`)
	_, after := textOf(t, db, "pg_temp.part[]", "ARRAY[ROW(1, '2024-07-01 12:00')::pg_temp.part]")
	if got, err := types.Append(nil, oid, after); err == nil || !strings.Contains(err.Error(), "part") || !strings.Contains(err.Error(), "load the type again") {
		t.Errorf("%s, %v", got, err)
	}
	load(t, types, db, oid) // has it still
	if _, err := types.Append(nil, oid, after); err == nil {
		t.Error("a type that is loaded was read again")
	}
	types.Reset()
	if types.Loaded(oid) {
		t.Error("Reset kept a type")
	}
	load(t, types, db, oid)
	for text, want := range map[string]string{string(before): `[{"a":1}]`, string(after): `[{"a":1,"b":"2024-07-01T12:00:00"}]`} {
		if got, err := types.Append(nil, oid, []byte(text)); err != nil || string(got) != want {
			t.Errorf("%s: %s, %v, want %s", text, got, err, want)
		}
	}
}

// TestTypesWithCastsAreInexact proves that values are strings, and that the type is named, where row_to_json calls a cast.
func TestTypesWithCastsAreInexact(t *testing.T) {
	db := newSession(t)
	exec(t, db, `BEGIN; CREATE SCHEMA shape; CREATE EXTENSION hstore SCHEMA shape; CREATE TYPE shape.mood AS ENUM ('glad', 'sad'); CREATE TYPE shape.other AS ENUM ('x');
		CREATE FUNCTION shape.to_json(m shape.mood) RETURNS json LANGUAGE sql AS $$ SELECT '1'::json $$; CREATE CAST (shape.mood AS json) WITH FUNCTION shape.to_json(shape.mood);
		CREATE CAST (shape.other AS json) WITH INOUT; CREATE DOMAIN shape.h AS shape.hstore; CREATE TYPE shape.part AS (h shape.h[], m shape.mood, o shape.other);
		CREATE FUNCTION shape.to_json(p shape.part) RETURNS json LANGUAGE sql AS $$ SELECT '1'::json $$; CREATE CAST (shape.part AS json) WITH FUNCTION shape.to_json(shape.part)`)
	defer exec(t, db, "ROLLBACK")
	types := NewTypes()
	for _, c := range []struct{ typeSQL, expression, want, inexact, rowToJSON string }{
		{"shape.hstore", `'a=>1'::shape.hstore`, `"\"a\"=>\"1\""`, "shape.hstore", `{"a": "1"}`},
		{"shape.h", `'a=>1'::shape.h`, `"\"a\"=>\"1\""`, "shape.hstore", `{"a": "1"}`},
		{"shape.mood[]", `'{glad}'::shape.mood[]`, `["glad"]`, "shape.mood", "[1]"},
		{"shape.other", `'x'::shape.other`, `"x"`, "", `"x"`},
		{"shape.part", `ROW('{"a=>1"}', 'sad', 'x')::shape.part`, `{"h":["\"a\"=>\"1\""],"m":"sad","o":"x"}`, "shape.hstore shape.mood", `{"h":[{"a": "1"}],"m":1,"o":"x"}`},
		{"jsonb[]", `'{"{\"a\":1}"}'::jsonb[]`, `[{"a": 1}]`, "", `[{"a": 1}]`},
	} {
		oid, text := textOf(t, db, c.typeSQL, c.expression)
		_, reference := textOf(t, db, c.typeSQL, "row_to_json(r) FROM (SELECT "+c.expression+" AS v) r")
		load(t, types, db, oid)
		got, err := types.Append(nil, oid, text)
		if err != nil || string(got) != c.want || strings.Join(types.Inexact(oid), " ") != c.inexact {
			t.Errorf("%s: %s, %v, inexact %q", c.typeSQL, got, err, types.Inexact(oid))
		}
		if string(reference) != `{"v":`+c.rowToJSON+`}` {
			t.Errorf("%s: row_to_json writes %s", c.typeSQL, reference)
		}
	}
}
