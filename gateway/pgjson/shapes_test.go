package pgjson

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/testenv"
)

// shapesSQL creates a table with columns of the type @type, and of types that are made of it.
const shapesSQL = `
	CREATE DOMAIN shape.d AS @type; CREATE DOMAIN shape.da AS @list;
	CREATE TYPE shape.c AS (x @type, "a ""b"" \c" int, "tab	é" text, a @list, d shape.d);
	CREATE DOMAIN shape.dc AS shape.c; CREATE TYPE shape.cc AS (c shape.c, many shape.c[], dc shape.dc, da shape.da);
	CREATE TABLE shape.v (i serial, x @type);
	@values
	CREATE TABLE shape.t (x @type, d shape.d, a @list, m @list, ad shape.d[], da shape.da, ada shape.da[], c shape.c, dc shape.dc, ac shape.c[], adc shape.dc[], cc shape.cc, acc shape.cc[]);
	INSERT INTO shape.t (x, d, a[1], a[2], a[3], a[4], ad[-1], ad[0], ad[1]) SELECT x, x, x, NULL, lead(x) OVER (ORDER BY i), x, x, NULL, x FROM shape.v;
	UPDATE shape.t SET m[0:1][-1:0] = a, da = a, ada[1] = a, ada[2] = NULL, ada[3] = '{}', c = ROW(x, 1, E'a"b\\c,(d)\t', a, x);
	UPDATE shape.t SET dc = c, ac[1] = c, ac[2] = NULL, ac[3] = c, adc[1] = c, adc[2] = NULL;
	UPDATE shape.t SET cc = ROW(c, ac, dc, da); UPDATE shape.t SET acc[5] = cc, acc[6] = NULL;
	INSERT INTO shape.t DEFAULT VALUES; INSERT INTO shape.t (a, da, ada, ac, c) VALUES ('{}', '{}', '{}', '{}', NULL::shape.c);
	INSERT INTO shape.t (c, ac, cc) SELECT NULL, ARRAY[c], ROW(c, ARRAY[c], NULL, NULL)::shape.cc FROM (SELECT ROW(NULL, NULL, NULL, NULL, NULL)::shape.c) n(c);`

// compareShapes proves that Append gives the bytes of row_to_json for values of a type, and for values of types that are
// made of it. list is a type of arrays of it; ddl creates the type. All is rolled back.
func compareShapes(t *testing.T, db *pgx.Conn, typeSQL, list, ddl string, values []string) {
	t.Helper()
	exec(t, db, "BEGIN; CREATE SCHEMA shape; "+ddl)
	defer exec(t, db, "ROLLBACK")
	exec(t, db, strings.NewReplacer("@values", insertSQL(typeSQL, values), "@type", typeSQL, "@list", list).Replace(shapesSQL))
	columns := collect[column](t, db, `SELECT attname::text, atttypid FROM pg_attribute WHERE attrelid = 'shape.t'::regclass AND attnum > 0 ORDER BY attnum`)
	want := 4 // NULL, and what shapesSQL adds
	for _, v := range values {
		if !strings.HasPrefix(v, "rows:") {
			want++
		}
	}
	if n := compareRows(t, db, columns, "shape.t"); n < want {
		t.Errorf("%d rows, want at least %d", n, want)
	}
}

// column is a column of a table.
type column struct {
	Name string
	OID  uint32
}

// compareRows compares rows of a table, and returns their number.
func compareRows(t *testing.T, db *pgx.Conn, columns []column, table string) int {
	t.Helper()
	ctx := testenv.Context(t)
	types := NewTypes()
	var oids []uint32
	for _, c := range columns {
		oids = append(oids, c.OID)
	}
	if err := types.Load(ctx, db, oids); err != nil {
		t.Fatal(err)
	}
	results, err := db.PgConn().Exec(ctx, "SELECT * FROM "+table+" ORDER BY ctid; SELECT pg_catalog.row_to_json(r) FROM "+table+" r ORDER BY ctid").ReadAll() // in text format
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range results[0].Rows {
		got := []byte("{")
		for j, text := range row {
			if j > 0 {
				got = append(got, ',')
			}
			got = append(AppendString(got, []byte(columns[j].Name)), ':')
			if text == nil {
				got = append(got, "null"...)
				continue
			}
			if got, err = types.Append(got, columns[j].OID, text); err != nil {
				t.Fatalf("row %d, column %s: %v: %s", i, columns[j].Name, err, text)
			}
		}
		got = append(got, '}')
		if want := results[1].Rows[i][0]; string(got) != string(want) {
			n := 0
			for n < len(got) && n < len(want) && got[n] == want[n] {
				n++
			}
			begin := max(0, n-100)
			t.Errorf("row %d:\n%.200s, want\n%.200s", i, got[begin:], want[begin:])
		}
	}
	return len(results[0].Rows)
}

// newSession returns a session with pgconn.RowSettings.
func newSession(t testing.TB) *pgx.Conn {
	t.Helper()
	db := testenv.Connect(t)
	exec(t, db, pgconn.SetSQL(pgconn.RowSettings, false))
	return db
}

// exec executes statements.
func exec(t testing.TB, db *pgx.Conn, sql string) {
	t.Helper()
	if _, err := db.PgConn().Exec(testenv.Context(t), sql).ReadAll(); err != nil {
		t.Fatalf("%v: %.300s", err, sql)
	}
}
