package postgreswal

import (
	"testing"
	"time"

	"eventgateway/gateway/testenv/sourcetest"
)

// BenchmarkSnapshot reads a table of 100,000 rows without writers: rows/s.
func BenchmarkSnapshot(b *testing.B) {
	const rows = 100_000
	for b.Loop() {
		b.StopTimer()
		kind.Reset(b, "CREATE TABLE items (id int PRIMARY KEY, customer text, amount numeric(10,2), at timestamptz); INSERT INTO items SELECT n, 'customer ' || n, n / 100.0, now() FROM generate_series(1, 100000) n;", "items")
		b.StartTimer()
		begin := time.Now()
		st := start(b, func(o *Options) { o.Snapshot, o.Tables = "initial", []string{"items"} }, sourcetest.NewCollector())
		st.Await(b, rows)
		b.ReportMetric(rows/time.Since(begin).Seconds(), "rows/s")
		st.Stop()
	}
}
