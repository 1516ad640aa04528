package app

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/testenv"
)

const (
	commitWriters = 16
	commitPairs   = 5
)

// BenchmarkCommits measures 16 writers that insert one row per transaction, on a server with fsync:
// without a trigger, with the outbox, with the WAL, and with the old trigger, each with a gateway that reads. It reports
// the medians of the ratios of alternating runs, and how long the gateway is behind when the writers have ended.
func BenchmarkCommits(b *testing.B) {
	server := testenv.StartPostgres(b, "-c", "fsync=on", "-c", "synchronous_commit=on", "-c", "full_page_writes=on", "-c", "shared_buffers=256MB", "-c", "max_wal_size=4GB")
	db, err := pgx.Connect(b.Context(), server.URL())
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close(b.Context())
	const old = "CREATE TRIGGER orders_notify_trigger AFTER INSERT OR UPDATE OR DELETE ON orders FOR EACH ROW EXECUTE FUNCTION notify_order_changes();"
	run := func(trigger, config string, delay int) (rate, behind float64) {
		recreate(b, db, trigger)
		if config == "" {
			return pgbench(b, server.URL(), delay), 0
		}
		g := startGateway(b, writeConfig(b, config), map[string]string{"DATABASE_URL": server.URL()})
		defer g.stop()
		rate = pgbench(b, server.URL(), delay)
		if config == notifyConfig {
			return rate, 0 // it may lose some
		}
		var rows uint64
		if err := db.QueryRow(b.Context(), "SELECT count(*) FROM orders").Scan(&rows); err != nil {
			b.Fatal(err)
		}
		return rate, testenv.Eventually(b, time.Minute, "all read", func() bool { return g.source("orders_db").Acked == rows }).Seconds()
	}
	for name, delay := range map[string]int{"CPU-bound": 0, "commit_delay 2 ms": 2000} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				var outbox, wal, notify, limit, outboxBehind, walBehind []float64
				for pair := range commitPairs {
					bare, _ := run("", "", delay)
					ours, behind := run(outboxSQL(), directConfig, delay)
					published, publishedBehind := run(walSQL(), walConfig, delay)
					theirs, _ := run(old, notifyConfig, delay)
					outbox, wal, notify, limit = append(outbox, ours/bare), append(wal, published/bare), append(notify, ours/theirs), append(limit, bare/theirs)
					outboxBehind, walBehind = append(outboxBehind, behind), append(walBehind, publishedBehind)
					fmt.Printf("commits, %s, pair %d: without a trigger %6.0f/s, outbox %6.0f/s (%.2f s behind), WAL %6.0f/s (%.2f s behind), old trigger %6.0f/s\n",
						name, pair, bare, ours, behind, published, publishedBehind, theirs)
				}
				b.ReportMetric(median(outbox), "ratio-to-no-trigger")
				b.ReportMetric(median(wal), "ratio-of-WAL-to-no-trigger")
				b.ReportMetric(median(outboxBehind), "s-behind")
				b.ReportMetric(median(walBehind), "s-WAL-behind")
				b.ReportMetric(median(notify), "ratio-to-old-trigger")
				b.ReportMetric(median(limit), "ratio-of-no-trigger-to-old-trigger")
			}
		})
	}
}

var tps = regexp.MustCompile(`tps = ([0-9.]+)`)

// pgbench returns the transactions per second.
func pgbench(b *testing.B, url string, delay int) float64 {
	b.Helper()
	path, err := exec.LookPath("pgbench")
	if err != nil {
		found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pgbench") // it fails only for a malformed pattern
		if len(found) == 0 {
			b.Fatal("pgbench is not installed: it comes with PostgreSQL")
		}
		path = found[len(found)-1]
	}
	script := writeConfig(b, "INSERT INTO orders (customer_name, product_name, status, amount) VALUES ('Ada Lovelace', 'Keyboard', 'pending', 12.50);\n")
	cmd := exec.Command(path, "-n", "-M", "prepared", "-c", strconv.Itoa(commitWriters), "-j", "2", "-T", "4", "-f", script, url)
	cmd.Env = append(cmd.Environ(), fmt.Sprintf("PGOPTIONS=-c commit_delay=%d -c commit_siblings=1", delay))
	out, err := cmd.CombinedOutput()
	m := tps.FindSubmatch(out)
	if err != nil || m == nil {
		b.Fatalf("pgbench: %v\n%s", err, out)
	}
	n, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		b.Fatal(err)
	}
	return n
}
