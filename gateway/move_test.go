package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"eventgateway/gateway/testenv"
)

const moveConfig = `
http: {listen: ":${PORT}"}
sources:
  changes: {type: TYPE, url: "${DATABASE_URL}", tables: [t0, t1, t2, t3, t4], output: change}
sinks:
  out: {type: file, path: "${DIR}/out", sync: never, rotate: {size: 0}}
routes:
  all: {from: [changes], to: [out]}
`

// TestMoveBetweenOutboxAndWAL proves that tables move from the outbox to the WAL, and back, under writers: the file of the sink has exactly
// what was committed, each row's versions in order, and no gap is reported.
func TestMoveBetweenOutboxAndWAL(t *testing.T) {
	seed := uint64(times("SEED", int(time.Now().UnixNano()%1_000_000)))
	rounds := times("MOVES", 2)
	t.Logf("SEED=%d: %d rounds", seed, rounds)
	dir := t.TempDir()
	c := &chaos{t: t, rnd: rand.New(rand.NewPCG(seed, 1_000_000)), config: filepath.Join(dir, "move.yaml")}
	c.postgres = testenv.StartPostgres(t, "-c", "synchronous_commit=on")
	c.env = map[string]string{"DATABASE_URL": c.postgres.URL(), "DIR": dir}
	db := c.connect()
	defer db.Close(context.Background())
	var tables []string
	c.exec(db, "CREATE TABLE audit (tbl text, id int, v int)")
	for i := range chaosTables {
		c.exec(db, fmt.Sprintf("CREATE TABLE t%d (id int PRIMARY KEY, v int NOT NULL); INSERT INTO t%d SELECT n, 0 FROM generate_series(0, %d) n", i, i, chaosRows-1))
		tables = append(tables, "--table", fmt.Sprint("t", i))
	}
	command := func(args ...string) {
		t.Helper()
		p := startBinary(t, c.env, append(args, tables...)...)
		if code := p.exit(2 * testenv.Wait); code != 0 {
			t.Fatalf("gateway %s: exit status %d\n%s", strings.Join(args, " "), code, p.stderr.String())
		}
	}
	configure := func(kind string) { writeFile(t, c.config, strings.Replace(moveConfig, "TYPE", kind, 1)) }
	command("sql", "--mode", "outbox", "--apply")
	configure("postgres-outbox")
	p := startBinary(t, c.env, "-c", c.config)
	p.awaitReady()
	w := c.startWriters(seed, 500*rounds)
	for range rounds {
		time.Sleep(time.Duration(c.rnd.IntN(500)) * time.Millisecond) // the moment is random
		command("sql", "--mode", "wal", "--slot", "gateway", "--apply")
		command("wal", "move", "--to", "wal", "--slot", "gateway", "--apply")
		testenv.WaitForSQL(t, db, "SELECT NOT EXISTS (SELECT FROM gateway.outbox)")
		reloads := strings.Count(p.stderr.String(), "configuration reloaded")
		configure("postgres-wal")
		p.awaitLogs("configuration reloaded", reloads+1)
		p.awaitReady()
		time.Sleep(time.Duration(c.rnd.IntN(500)) * time.Millisecond) // as above
		moves := strings.Count(p.stderr.String(), "the tables have moved to an outbox")
		command("wal", "move", "--to", "outbox", "--slot", "gateway", "--apply")
		p.awaitLogs("the tables have moved to an outbox", moves+1)
		configure("postgres-outbox")
		p.awaitLogs("configuration reloaded", reloads+2)
		p.awaitReady()
	}
	w.stop()
	committed := c.committed()
	changes, repeated := w.check(filepath.Join(dir, "out"), committed, false)
	p.awaitMetric(`gateway_source_gaps_total{source="changes"} 0`)
	p.awaitMetric("gateway_conserved 1")
	p.cmd.Process.Signal(syscall.SIGTERM)
	if code := p.exit(testenv.Wait); code != 0 {
		t.Errorf("exit status %d", code)
	}
	t.Logf("%d changes, as many as were committed, and %d repeated", changes, repeated)
}

// awaitLogs waits until the program has logged a text n times.
func (p *program) awaitLogs(text string, n int) {
	p.t.Helper()
	testenv.Eventually(p.t, testenv.Wait, fmt.Sprintf("logged %d times: %q", n, text), func() bool { return strings.Count(p.stderr.String(), text) >= n }, p.stderr.String)
}
