package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/testenv"
)

const maxLagConfig = `
http: {listen: ":${PORT}"}
sources:
  changes:
    type: postgres-wal
    url: ${DATABASE_URL}
    tables: [t]
    snapshot: initial
    max_lag: {bytes: 64MiB, then: THEN}
    spool: {path: "${DIR}/spool"}
sinks:
  stream: {type: redis-stream, url: "${REDIS_URL}", stream: changes, maxlen: 0, queue: {size: 64}}
routes:
  all: {from: [changes], to: [stream]}
`

// laggingGateway is a gateway from the WAL to a Redis that is away on demand.
type laggingGateway struct {
	t      *testing.T
	p      *program
	db     *pgx.Conn
	redis  *testenv.RedisServer
	stored *redis.Client
	rows   int // that are committed
}

// startLagging starts the gateway of maxLagConfig, with rows that are delivered by a snapshot and by the stream.
func startLagging(t *testing.T, then string) *laggingGateway {
	postgres := testenv.StartPostgres(t, "-c", "max_wal_size=32MB", "-c", "synchronous_commit=on")
	bus, port := testenv.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	l := &laggingGateway{t: t, redis: bus, db: testenv.ConnectTo(t, postgres), stored: redis.NewClient(&redis.Options{Addr: fmt.Sprintf("127.0.0.1:%d", port)})}
	t.Cleanup(func() { l.stored.Close() })
	env := map[string]string{"DATABASE_URL": postgres.URL(), "REDIS_URL": bus.URL(), "DIR": t.TempDir()}
	l.exec("CREATE TABLE t (id int PRIMARY KEY, v int); CREATE TABLE busy (note text)")
	l.insert(100)
	runCommand(t, env, 0, "sql", "--mode", "wal", "--table", "t", "--slot", "gateway", "--apply")
	config := filepath.Join(env["DIR"], "lag.yaml")
	writeFile(t, config, strings.Replace(maxLagConfig, "THEN", then, 1))
	l.p = startBinary(t, env, "-c", config)
	l.p.awaitLog("snapshot completed")
	l.insert(100)
	l.awaitStored()
	return l
}

func (l *laggingGateway) exec(sql string, args ...any) {
	l.t.Helper()
	if _, err := l.db.Exec(testenv.Context(l.t), sql, args...); err != nil {
		l.t.Fatal(err)
	}
}

// insert commits n rows, each in a transaction.
func (l *laggingGateway) insert(n int) {
	l.t.Helper()
	for range n {
		l.rows++
		l.exec("INSERT INTO t VALUES ($1, 0)", l.rows)
	}
}

// fallBehind ends Redis, and then writes rows, and more WAL than max_lag.bytes.
func (l *laggingGateway) fallBehind() {
	l.t.Helper()
	l.redis.Kill()
	l.insert(300)
	for range 80 { // MiB
		l.exec("INSERT INTO busy SELECT repeat(md5(n::text), 32) FROM generate_series(1, 1000) n")
	}
	l.insert(300)
}

// awaitWALRemoved waits until the server has removed its WAL up to some MiB.
func (l *laggingGateway) awaitWALRemoved() {
	l.t.Helper()
	var size int64
	testenv.Eventually(l.t, testenv.Wait, "removed: the WAL", func() bool {
		l.exec("INSERT INTO busy VALUES ('x')") // else the server has no reason to log which transactions run
		l.exec("CHECKPOINT")
		err := l.db.QueryRow(testenv.Context(l.t), "SELECT sum(size)::bigint FROM pg_ls_waldir()").Scan(&size)
		return err == nil && size < 64<<20
	}, func() string { return fmt.Sprint(size>>20, " MiB") })
}

// storedRows returns the ids in the stream without repeated events, and the operations of each.
func (l *laggingGateway) storedRows() (ids []int, operations map[int]string) {
	l.t.Helper()
	entries, err := l.stored.XRange(testenv.Context(l.t), "changes", "-", "+").Result()
	if err != nil {
		l.t.Fatal(err)
	}
	operations = map[int]string{}
	for seen := map[any]bool{}; len(entries) > 0; entries = entries[1:] {
		values := entries[0].Values
		var c struct {
			Operation string
			Order     struct{ ID int }
		}
		data, _ := values["data"].(string)
		if err := json.Unmarshal([]byte(data), &c); err != nil {
			l.t.Fatalf("%v: %v", err, values)
		}
		if id := values["id"]; !seen[id] {
			seen[id] = true
			ids = append(ids, c.Order.ID)
			operations[c.Order.ID] += c.Operation + " "
		}
	}
	return ids, operations
}

// awaitStored waits until the stream has all rows.
func (l *laggingGateway) awaitStored() (ids []int, operations map[int]string) {
	l.t.Helper()
	testenv.Eventually(l.t, testenv.Wait, "stored: all rows", func() bool {
		ids, operations = l.storedRows()
		return len(operations) == l.rows
	}, func() string { return fmt.Sprintf("%d of %d; %+v", len(operations), l.rows, l.p.components()) })
	return ids, operations
}

// awaitSourceError waits until the last error of the source has text.
func (l *laggingGateway) awaitSourceError(text string) {
	l.t.Helper()
	l.p.await("last error: "+text, testenv.Wait, func(all []component) bool {
		return len(all) > 0 && strings.Contains(all[0].LastError, text)
	})
}

// metric returns the value of a metric of the source; 0 if there is none.
func (l *laggingGateway) metric(name string) (value float64) {
	l.t.Helper()
	_, body := l.p.get("/metrics")
	_, rest, _ := strings.Cut("\n"+body, "\n"+name+`{source="changes"} `)
	text, _, _ := strings.Cut(rest, "\n")
	value, _ = strconv.ParseFloat(text, 64)
	return value
}

// stop stops the gateway, whose counts must be conserved.
func (l *laggingGateway) stop() {
	l.t.Helper()
	l.p.awaitMetric("gateway_conserved 1")
	l.p.cmd.Process.Signal(syscall.SIGTERM)
	if code := l.p.exit(testenv.Wait); code != 0 {
		l.t.Errorf("exit status %d", code)
	}
}

// TestMaxLagSpools proves that, while a sink is away, the gateway spools changes beyond max_lag, so that the server removes its WAL. The
// status and the metrics show it. All changes are delivered in order when the sink is back.
func TestMaxLagSpools(t *testing.T) {
	t.Parallel()
	l := startLagging(t, "spool")
	l.fallBehind()
	l.awaitSourceError("changes are spooled: the lag was")
	l.awaitWALRemoved()
	testenv.Eventually(t, testenv.Wait, "in /metrics: the spool", func() bool { return l.metric("gateway_wal_spool_bytes") > 10_000 })
	if err := l.redis.Start(testenv.Context(t)); err != nil {
		t.Fatal(err)
	}
	ids, _ := l.awaitStored()
	for i, id := range ids {
		if id != i+1 {
			t.Fatalf("event %d is row %d", i+1, id)
		}
	}
	l.insert(10)
	l.awaitStored()
	l.p.awaitMetric(`gateway_source_gaps_total{source="changes"} 0`)
	l.stop()
}

// TestMaxLagGivesTheSlotUp proves that, while a sink is away, the gateway drops a slot beyond max_lag, so that the server removes its WAL.
// The status shows it, the gap is counted, and the table is whole after another snapshot.
func TestMaxLagGivesTheSlotUp(t *testing.T) {
	t.Parallel()
	l := startLagging(t, "give_up")
	l.fallBehind()
	l.awaitSourceError("the slot gateway was given up, and changes are lost: the lag was")
	testenv.WaitForSQL(t, l.db, "SELECT NOT EXISTS (SELECT FROM pg_replication_slots)")
	l.insert(100)
	l.awaitWALRemoved()
	if err := l.redis.Start(testenv.Context(t)); err != nil {
		t.Fatal(err)
	}
	_, operations := l.awaitStored()
	if first, last := operations[1], operations[l.rows]; first != "READ READ " || last != "READ " {
		t.Errorf("the operations of the first row are %q, and of the last %q", first, last)
	}
	l.p.awaitMetric(`gateway_source_gaps_total{source="changes"} 1`)
	l.insert(10)
	if _, operations := l.awaitStored(); operations[l.rows] != "INSERT " {
		t.Errorf("the operations of a row behind the snapshot are %q", operations[l.rows])
	}
	l.stop()
}
