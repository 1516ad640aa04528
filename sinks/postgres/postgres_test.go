package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// columns returns the option columns: name, expression, name, expression, ...
func columns(pairs ...string) (m options.Map[expr.Expression]) {
	for i := 0; i < len(pairs); i += 2 {
		m = append(m, options.Entry[expr.Expression]{Key: pairs[i], Value: expr.MustCompile(pairs[i+1])})
	}
	return m
}

func mustCondition(t testing.TB, text string) (c expr.Condition) {
	if err := c.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConformance(t *testing.T) {
	db := testenv.Connect(t)
	execSQL(t, db, `DROP TABLE IF EXISTS conformance; CREATE TABLE conformance (number bigserial, data text)`)
	set := func(o any, url string) {
		*o.(*Options) = Options{URL: options.NewURL(url), Table: "conformance", Columns: columns("data", "payload"), Mode: "insert", Remember: options.Duration(time.Hour)}
	}
	plugintest.Sink(t, plugintest.SinkHarness{
		Type:        Type(),
		Reachable:   func(o any) { set(o, testenv.Postgres(t).URL()) },
		Unreachable: func(o any) { set(o, "postgres://u:p@127.0.0.1:1/x") },
		Receive: func(t testing.TB, _ plugin.Env) func() string {
			var last int64
			scan(t, db, `SELECT coalesce(max(number), 0) FROM conformance`, &last)
			return func() (data string) {
				testenv.Eventually(t, testenv.Wait, "a row", func() bool {
					return db.QueryRow(t.Context(), `SELECT number, data FROM conformance WHERE number > $1 ORDER BY number LIMIT 1`, last).Scan(&last, &data) == nil
				})
				return data
			}
		},
	})
}

func execSQL(t testing.TB, db *pgx.Conn, sql string) {
	t.Helper()
	if _, err := db.PgConn().Exec(testenv.Context(t), sql).ReadAll(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func scan(t testing.TB, db *pgx.Conn, sql string, to ...any) {
	t.Helper()
	if err := db.QueryRow(testenv.Context(t), sql).Scan(to...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// rowsIn returns the rows of a query as texts.
func rowsIn(t testing.TB, db *pgx.Conn, sql string) []string {
	t.Helper()
	rows, err := db.Query(testenv.Context(t), sql)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func newSink(t testing.TB, o Options) *sink {
	t.Helper()
	if o.URL.IsZero() {
		o.URL = options.NewURL(testenv.Postgres(t).URL())
	}
	if o.Mode == "" {
		o.Mode = "insert"
	}
	o.Remember = max(o.Remember, options.Duration(time.Minute))
	impl, err := build(o, plugintest.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = impl.(*sink).Close(context.Background()) })
	return impl.(*sink)
}

func eventOf(id, payload string) *event.Event {
	return &event.Event{ID: id, Source: "s", Data: []byte(payload)}
}

// outcomes writes events and returns what became of each: "ok", or its error, with "permanent: " before it.
func outcomes(t testing.TB, s *sink, events ...*event.Event) (texts []string) {
	t.Helper()
	each, _ := plugin.Outcomes(s.Write(testenv.Context(t), events), len(events))
	for _, err := range each {
		switch {
		case err == nil:
			texts = append(texts, "ok")
		case plugin.IsPermanent(err):
			texts = append(texts, "permanent: "+err.Error())
		case plugin.IsUnavailable(err):
			texts = append(texts, "unavailable: "+err.Error())
		default:
			texts = append(texts, err.Error())
		}
	}
	return texts
}

// TestValuesKeepTheirDigits proves that numbers, texts, lists and objects fill columns of all kinds exactly, and that other columns get
// their defaults.
func TestValuesKeepTheirDigits(t *testing.T) {
	db := testenv.Connect(t)
	execSQL(t, db, `DROP TABLE IF EXISTS kinds; DROP SCHEMA IF EXISTS "Odd Schema" CASCADE; CREATE SCHEMA "Odd Schema"; DROP DOMAIN IF EXISTS filled; CREATE DOMAIN filled AS text NOT NULL DEFAULT 'x';
		CREATE TABLE "Odd Schema"."Ki""nds" (n numeric, b bigint, t text, c char(3), v varchar(5), j jsonb, a int[], ts timestamptz, bo boolean, by bytea, f filled DEFAULT 'd', "we ""ird" text, made text DEFAULT 'default')`)
	s := newSink(t, Options{Table: `"Odd Schema"."Ki""nds"`, Columns: columns("n", "o.n", "b", "o.b", "t", "o.t", "c", "o.c", "v", "o.v", "j", "o.j", "a", "o.a", "ts", "o.ts", "bo", "o.bo", "by", "o.by", `we "ird`, "o.t")})
	got := outcomes(t, s, eventOf("1", `{"o":{"n":12345678901234567890.123456789012345678901,"b":9007199254740993,"t":"é\u20ac😀\\\"'","c":"ab","v":"abcde","j":{"x":[1.0,null]},"a":[1,2],"ts":"2026-01-02T03:04:05.678901+02:00","bo":true,"by":"\\x00ff"}}`),
		eventOf("2", `{"o":{"v":"abcdef"}}`), eventOf("3", `{"o":{"t":"a\u0000b"}}`), eventOf("4", `{"o":{"b":"12","j":"text"}}`), eventOf("5", `{"o":{}}`), eventOf("6", `no JSON`))
	for i, want := range []string{"ok", "permanent: ", "permanent: ", "ok", "ok", "permanent: "} {
		if !strings.HasPrefix(got[i], want) {
			t.Errorf("event %d: %s, want %s", i+1, got[i], want)
		}
	}
	rows := rowsIn(t, db, `SELECT row_to_json(k)::text FROM "Odd Schema"."Ki""nds" k`)
	want := []string{
		`{"n":12345678901234567890.123456789012345678901,"b":9007199254740993,"t":"é€😀\\\"'","c":"ab ","v":"abcde","j":{"x": [1.0, null]},"a":[1,2],"ts":"2026-01-02T01:04:05.678901+00:00","bo":true,"by":"\\x00ff","f":"d","we \"ird":"é€😀\\\"'","made":"default"}`,
		`{"n":null,"b":12,"t":null,"c":null,"v":null,"j":"text","a":null,"ts":null,"bo":null,"by":null,"f":"d","we \"ird":null,"made":"default"}`,
		`{"n":null,"b":null,"t":null,"c":null,"v":null,"j":null,"a":null,"ts":null,"bo":null,"by":null,"f":"d","we \"ird":null,"made":"default"}`,
	}
	if !slices.Equal(rows, want) {
		t.Errorf("rows\n%s\nwant\n%s", strings.Join(rows, "\n"), strings.Join(want, "\n"))
	}
}

const ordersTable = `DROP TABLE IF EXISTS copies; CREATE TABLE copies (shop int, id bigint, status text NOT NULL CHECK (status <> 'bad'), note text DEFAULT 'kept', PRIMARY KEY (id, shop));`

func copies(t testing.TB, delivered string) Options {
	return Options{
		Table: "copies", Mode: "upsert", Key: []string{"shop", "id"}, Delivered: delivered, Delete: mustCondition(t, `operation == "DELETE"`),
		Columns: columns("shop", "order.shop", "id", "order.id", "status", "order.status"),
	}
}

func change1(id int, operation, status string) *event.Event {
	return eventOf("", fmt.Sprintf(`{"operation":%q,"order":{"shop":1,"id":%d,"status":%q}}`, operation, id, status))
}

// TestUpsertsAndDeletes proves that rows are as the last event of their key left them, in one batch and over several, and that a refused
// row neither stops the others nor hides an earlier version of its key.
func TestUpsertsAndDeletes(t *testing.T) {
	db := testenv.Connect(t)
	execSQL(t, db, ordersTable)
	s := newSink(t, copies(t, ""))
	got := outcomes(t, s,
		change1(1, "INSERT", "new"), change1(2, "INSERT", "new"), change1(1, "UPDATE", "paid"), change1(3, "INSERT", "new"), change1(2, "DELETE", "new"),
		change1(4, "INSERT", "new"), change1(4, "UPDATE", "bad"), change1(5, "INSERT", "bad"), change1(3, "DELETE", ""), change1(3, "INSERT", "again"),
		eventOf("", `{"operation":"INSERT","order":{"shop":1,"status":"new"}}`), eventOf("", `{"operation":"DELETE","order":{"shop":1,"id":2}}`))
	for i, text := range got {
		want := "ok"
		switch i {
		case 6, 7:
			want = `permanent: copies: new row for relation "copies" violates check constraint "copies_status_check", constraint copies_status_check (SQLSTATE 23514)`
		case 10:
			want = "permanent: the column id of the key is null: correct its expression, or filter such events"
		}
		if text != want {
			t.Errorf("event %d: %s, want %s", i, text, want)
		}
	}
	const all = `SELECT format('%s %s %s', id, status, note) FROM copies ORDER BY id`
	if rows, want := rowsIn(t, db, all), []string{"1 paid kept", "3 again kept", "4 new kept"}; !slices.Equal(rows, want) {
		t.Errorf("rows %q, want %q", rows, want)
	}
	execSQL(t, db, `UPDATE copies SET note = 'mine' WHERE id = 1`)
	if got := outcomes(t, s, change1(1, "UPDATE", "sent")); got[0] != "ok" {
		t.Error(got)
	}
	execSQL(t, db, `UPDATE copies SET note = 'old' WHERE id = 4`)
	if got := outcomes(t, s, change1(4, "DELETE", ""), change1(4, "INSERT", "anew")); got[0] != "ok" || got[1] != "ok" {
		t.Error(got)
	}
	if rows := rowsIn(t, db, all); rows[2] != "4 anew kept" {
		t.Errorf("rows %q: a row that is deleted and inserted again has the defaults", rows)
	}
	if rows := rowsIn(t, db, all); rows[0] != "1 sent mine" {
		t.Errorf("rows %q: a column that is not mapped keeps its value", rows)
	}
}

const deliveredTable = `DROP TABLE IF EXISTS written; CREATE TABLE written (id text PRIMARY KEY, at timestamptz NOT NULL DEFAULT now()); CREATE INDEX ON written (at);`

// TestEventsAreWrittenOnce proves that an event with a known ID is not written again, whichever sink has written it, and that the ID of a
// refused event is not stored, so that it can be replayed. A second copy of a refused event in the same batch is not written.
func TestEventsAreWrittenOnce(t *testing.T) {
	db := testenv.Connect(t)
	execSQL(t, db, deliveredTable+`DROP TABLE IF EXISTS log; CREATE TABLE log (n int CHECK (n <> 7))`)
	o := Options{Table: "log", Columns: columns("n", "n"), Delivered: "written"}
	numbered := func(from, to int) (events []*event.Event) {
		for i := from; i < to; i++ {
			events = append(events, eventOf(fmt.Sprint("e", i), fmt.Sprintf(`{"n":%d}`, i)))
		}
		return events
	}
	for _, s := range []*sink{newSink(t, o), newSink(t, o)} {
		got := outcomes(t, s, append(numbered(0, 10), numbered(5, 15)...)...)
		for i, text := range got {
			if refused := i == 7; refused != strings.HasPrefix(text, "permanent: ") || !refused && text != "ok" {
				t.Errorf("event %d: %s", i, text)
			}
		}
	}
	if rows := rowsIn(t, db, `SELECT string_agg(n::text, ' ' ORDER BY n) FROM log`); rows[0] != "0 1 2 3 4 5 6 8 9 10 11 12 13 14" {
		t.Errorf("rows %s", rows)
	}
	execSQL(t, db, `ALTER TABLE log DROP CONSTRAINT log_n_check`)
	s := newSink(t, o)
	if got := outcomes(t, s, numbered(7, 8)...); got[0] != "ok" {
		t.Error(got)
	}
	if n := rowsIn(t, db, `SELECT count(*)::text FROM written`); n[0] != "15" {
		t.Errorf("%s IDs", n)
	}

	other := numbered(1, 2)[0]
	other.Source = "other" // its IDs are its own
	if got := outcomes(t, s, other); got[0] != "ok" {
		t.Error(got)
	}
	if n := rowsIn(t, db, `SELECT count(*)::text FROM log WHERE n = 1`); n[0] != "2" {
		t.Errorf("%s rows of two sources with the same ID", n)
	}

	execSQL(t, db, `UPDATE written SET at = now() - interval '2 minutes' WHERE id <> 's/e7'`)
	s.forgotten = time.Time{}
	if got := outcomes(t, s, numbered(20, 21)...); got[0] != "ok" {
		t.Error(got)
	}
	if ids := rowsIn(t, db, `SELECT string_agg(id, ' ' ORDER BY id) FROM written`); ids[0] != "s/e20 s/e7" {
		t.Errorf("IDs after the deletion of old ones: %s", ids)
	}
}
