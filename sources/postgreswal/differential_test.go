package postgreswal

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
	"eventgateway/sources/postgresoutbox"
)

// capturedTwice starts both sources of rows on the same tables.
func capturedTwice(t *testing.T, db *pgx.Conn, output string, tables ...string) (wal, outbox *sourcetest.Running) {
	t.Helper()
	sourcetest.Exec(t, db, pgtrigger.Outbox{Tables: published(t, tables...).Tables}.CreateSQL())
	o := postgresoutbox.Type().Defaults().(*postgresoutbox.Options)
	o.URL, o.Output = options.NewURL(testenv.Postgres(t).URL()), output
	s, err := postgresoutbox.Type().Build(o, plugintest.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	out := sourcetest.NewCollector()
	outbox = sourcetest.Start(t, s, out, out)
	return start(t, func(o *Options) { o.Output = output }, sourcetest.NewCollector()), outbox
}

// requireSame compares n events of both sources, in order.
func requireSame(t *testing.T, wal, outbox *sourcetest.Running, n int) {
	t.Helper()
	theirs := outbox.Await(t, n)
	for i, ours := range wal.Await(t, n) {
		if got, want := comparable(t, ours), comparable(t, theirs[i]); got != want {
			t.Errorf("event %d\ngot  %s\nwant %s", i, got, want)
			if name := firstDifference(ours, theirs[i]); name != "" {
				t.Errorf("first in the column %s", name)
			}
			return
		}
	}
}

// comparable returns all of an event but its ID and times.
func comparable(t *testing.T, e *event.Event) string {
	t.Helper()
	text := fmt.Sprintf("%s %s %v ", e.Channel, e.Key, attrs(e, event.AttrTable, "operation", event.AttrKeyBefore, event.AttrBarrier, attrReadBack, attrIncomplete))
	if !strings.HasPrefix(string(e.Data), `{"operation":`) {
		return text + string(e.Data)
	}
	var c struct{ Old, New json.RawMessage }
	if err := json.Unmarshal(e.Data, &c); err != nil {
		t.Fatalf("%v: %s", err, e.Data)
	}
	return fmt.Sprintf("%s%s -> %s", text, c.Old, c.New)
}

// firstDifference returns the name of a column whose values differ.
func firstDifference(a, b *event.Event) string {
	var left, right map[string]map[string]json.RawMessage
	_ = json.Unmarshal(a.Data, &left) // fields that are no rows stay empty
	_ = json.Unmarshal(b.Data, &right)
	for part, row := range left {
		for name, value := range row {
			if string(right[part][name]) != string(value) {
				return fmt.Sprintf("%s.%s: %s, want %s", part, name, value, right[part][name])
			}
		}
	}
	return ""
}

// TestSameAsOutbox proves that both sources write the same bytes for values of all built-in types, and of domains, enums,
// ranges, arrays and composites, whatever the settings of the writer's session are.
func TestSameAsOutbox(t *testing.T) {
	var columns []string
	rows := 0
	for i, c := range typeValues {
		if len(c.values) > 0 {
			columns = append(columns, fmt.Sprintf(`"c%d %s" %s`, i, strings.ReplaceAll(c.typ, `"`, ""), c.typ))
			rows = max(rows, len(c.values))
		}
	}
	ddl := `CREATE TABLE orders (id serial PRIMARY KEY, ` + strings.Join(columns, ", ") + `)`
	for _, output := range []string{"order", "change"} {
		t.Run(output, func(t *testing.T) {
			db := kind.Reset(t, typesDDL+ddl, "orders")
			wal, outbox := capturedTwice(t, db, output, "orders")
			n := 0
			exec := func(sql string) {
				t.Helper()
				sourcetest.Exec(t, db, sql)
				n++
			}
			for _, set := range append([]string{""}, testenv.SessionSettings...) {
				writer := testenv.Connect(t)
				for row := range rows {
					values := []string{"DEFAULT"}
					for _, c := range typeValues {
						if len(c.values) > 0 {
							values = append(values, quoteLiteral(c.values[row%len(c.values)])+"::"+c.typ)
						}
					}
					if set == "" {
						exec("INSERT INTO orders VALUES (" + strings.Join(values, ", ") + ")")
					}
				}
				if set != "" {
					name, value, _ := strings.Cut(set, " = ")
					if _, err := writer.PgConn().Exec(testenv.Context(t), fmt.Sprintf("SET %s = %s; UPDATE public.orders SET id = id WHERE id <= 3", name, value)).ReadAll(); err != nil {
						t.Fatalf("%s: %v", set, err)
					}
					n += 3
				}
			}
			exec("INSERT INTO orders DEFAULT VALUES") // all other columns are null
			exec("UPDATE orders SET id = 10000 WHERE id = 1")
			exec("DELETE FROM orders WHERE id = 2")
			exec("TRUNCATE orders")
			requireSame(t, wal, outbox, n)
		})
	}
}

// randomText returns a text of characters that JSON, arrays or composites escape.
func randomText(rnd *rand.Rand) string {
	const special = "\"\\'{}(),; \t\n\r\b\f\x01\x1f\x7f/<>&aNULé😀\u2028\u0080"
	runes := []rune(special)
	text := make([]rune, rnd.IntN(12))
	for i := range text {
		text[i] = runes[rnd.IntN(len(runes))]
	}
	return string(text)
}

// TestSameAsOutboxForRandomTexts proves the same for texts of all kinds, also in arrays and composites, and for random floats. SEED
// repeats a run.
func TestSameAsOutboxForRandomTexts(t *testing.T) {
	seed := uint64(sourcetest.EnvInt(t, "SEED", int(time.Now().UnixNano()%1_000_000)))
	rows := sourcetest.EnvInt(t, "ROWS", 300)
	t.Logf("SEED=%d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	db := kind.Reset(t, typesDDL+`CREATE TABLE orders (id text PRIMARY KEY, "k ""é" varchar, list text[], p part, ps part[], f float8, g float4, doc json, n numeric, at timestamptz, took interval);`, "orders")
	wal, outbox := capturedTwice(t, db, "change", "orders")
	n := 0
	for i := range rows {
		text := func() string { return randomText(rnd) }
		key := fmt.Sprint(text(), i)
		doc, err := json.Marshal(text())
		if err != nil {
			t.Fatal(err)
		}
		sourcetest.Exec(t, db, `INSERT INTO orders VALUES ($1, $2, ARRAY[$3, $4, NULL], ROW($5::int, $3, NULL, true, NULL, NULL, NULL, convert_to($4, 'UTF8'))::part,
			ARRAY[ROW(NULL, $4, NULL, NULL, NULL, NULL, NULL, NULL)::part, NULL], $6, $6::float8::float4, $7::text::json, $8::text::numeric, '2000-01-01'::timestamptz + $5 * interval '1.234567 s', $5 * interval '1 h 1.5 s')`,
			key, text(), text(), text(), rnd.IntN(1_000_000_000)-500_000_000, rnd.NormFloat64()*1e3, string(doc), fmt.Sprint(rnd.NormFloat64()))
		n++
		if i%3 == 0 {
			sourcetest.Exec(t, db, `UPDATE orders SET id = $2, list = NULL WHERE id = $1`, key, key+text())
			n++
		}
	}
	requireSame(t, wal, outbox, n)
}

// TestSameAsOutboxThroughDDL proves the same while columns are added, dropped, renamed and altered, and for partitions and
// names that need quotes.
func TestSameAsOutboxThroughDDL(t *testing.T) {
	db := kind.Reset(t, `CREATE TABLE "Or ders" ("I d" int, b text, a int, PRIMARY KEY (a, "I d"));
		CREATE TABLE parts (id int, region text, note text, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
		CREATE TABLE parts_eu PARTITION OF parts FOR VALUES IN ('eu'); CREATE TABLE parts_us (id int NOT NULL, gone int, region text NOT NULL, note text);
		ALTER TABLE parts_us DROP COLUMN gone; ALTER TABLE parts ATTACH PARTITION parts_us FOR VALUES IN ('us');`, `"Or ders"`, "parts")
	wal, outbox := capturedTwice(t, db, "change", `"Or ders"`, "parts")
	n := 0
	for _, one := range []struct {
		sql     string
		changes int
	}{
		{`INSERT INTO "Or ders" VALUES (1, 'x', 2)`, 1},
		{`ALTER TABLE "Or ders" ADD COLUMN c numeric DEFAULT 1.50`, 0},
		{`UPDATE "Or ders" SET b = 'y'`, 1},
		{`ALTER TABLE "Or ders" DROP COLUMN b; UPDATE "Or ders" SET c = 2`, 1},
		{`ALTER TABLE "Or ders" ALTER COLUMN c TYPE text USING c || 'x'; INSERT INTO "Or ders" VALUES (2, 3, 'q')`, 1},
		{`ALTER TABLE "Or ders" ADD COLUMN "new" json; UPDATE "Or ders" SET "new" = '{"a" : 1}', a = 7 WHERE a = 2`, 1},
		{`INSERT INTO parts VALUES (1, 'eu', 'n'), (2, 'us', 'm')`, 2},
		{`UPDATE parts SET region = 'us' WHERE id = 1`, 2},
		{`UPDATE parts SET id = 3 WHERE id = 2`, 1},
		{`CREATE TABLE parts_as PARTITION OF parts FOR VALUES IN ('as'); ALTER TABLE parts_as REPLICA IDENTITY FULL; INSERT INTO parts VALUES (9, 'as', 'o'); DELETE FROM parts WHERE id = 9`, 2},
		{`TRUNCATE parts; TRUNCATE "Or ders"`, 2},
	} {
		sourcetest.Exec(t, db, one.sql)
		n += one.changes
		outbox.Await(t, n)
		wal.Await(t, n)
	}
	requireSame(t, wal, outbox, n)
}
