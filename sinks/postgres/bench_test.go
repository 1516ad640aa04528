package postgres

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/testenv"
)

// BenchmarkWrite compares batches of 500 rows with the same rows by a bare COPY, which neither evaluates expressions nor replaces rows,
// and by a bare INSERT of arrays.
func BenchmarkWrite(b *testing.B) {
	const size = 500
	db := testenv.Connect(b)
	var events []*event.Event
	for i := range size {
		events = append(events, eventOf(fmt.Sprint("bench-", i), fmt.Sprintf(`{"operation":"INSERT","order":{"id":%d,"customer_name":"Ada Lovelace","product_name":"Desk lamp","status":"new","amount":129.90,"created_at":"2026-01-02T03:04:05.678901"}}`, i)))
	}
	const table = `DROP TABLE IF EXISTS bench; CREATE TABLE bench (id bigint, customer_name text, product_name text, status text, amount numeric(10,2), created_at timestamp%s)`
	names := []string{"id", "customer_name", "product_name", "status", "amount", "created_at"}
	var pairs []string
	for _, name := range names {
		pairs = append(pairs, name, "order."+name)
	}
	rate := func(b *testing.B) { b.ReportMetric(float64(b.N)*size/b.Elapsed().Seconds(), "events/s") }
	bare := func(write func(i int) error) func(*testing.B) {
		return func(b *testing.B) {
			execSQL(b, db, fmt.Sprintf(table, ""))
			for i := 0; b.Loop(); i++ {
				if err := write(i); err != nil {
					b.Fatal(err)
				}
			}
			rate(b)
		}
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)
	b.Run("copy", bare(func(int) error {
		_, err := db.CopyFrom(b.Context(), pgx.Identifier{"bench"}, names, pgx.CopyFromSlice(size, func(i int) ([]any, error) {
			return []any{i, "Ada Lovelace", "Desk lamp", "new", "129.90", at}, nil
		}))
		return err
	}))
	b.Run("insert", bare(func(int) error {
		columns := make([][]string, len(names))
		for i := range size {
			for c, v := range []string{fmt.Sprint(i), "Ada Lovelace", "Desk lamp", "new", "129.90", "2026-01-02T03:04:05.678901"} {
				columns[c] = append(columns[c], v)
			}
		}
		_, err := db.Exec(b.Context(), `INSERT INTO bench SELECT a::bigint, b, c, d, e::numeric, f::timestamp FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) x(a, b, c, d, e, f)`,
			columns[0], columns[1], columns[2], columns[3], columns[4], columns[5])
		return err
	}))
	sink := func(o Options, constraint string) func(*testing.B) {
		return func(b *testing.B) {
			execSQL(b, db, deliveredTable+fmt.Sprintf(table, constraint))
			o.Table, o.Columns = "bench", columns(pairs...)
			s := newSink(b, o)
			n := 0
			for b.Loop() {
				for _, e := range events {
					n++
					e.ID = fmt.Sprint("bench-", n)
				}
				if err := s.Write(b.Context(), events); err != nil {
					b.Fatal(err)
				}
			}
			rate(b)
		}
	}
	b.Run("sink", sink(Options{}, ""))
	b.Run("sink-delivered", sink(Options{Delivered: "written"}, ""))
	b.Run("sink-upsert", sink(Options{Mode: "upsert", Key: []string{"id"}}, ", PRIMARY KEY (id)"))
}
