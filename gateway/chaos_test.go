package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/internal/embedded"
	"eventgateway/gateway/testenv"
)

// rowSources are the sources that replay changes of rows, by the mode of gateway sql that they need.
var rowSources = map[string]string{"outbox": "postgres-outbox", "wal": "postgres-wal"}

// chaosConfig is the durable pipeline. Two gateways run it: one of them captures, each
// writes all events to a file of its own, and one of them sends them to a shop.
const chaosConfig = `
http: {listen: ":${PORT}"}
sources:
  changes: {type: CAPTURE, url: "${DATABASE_URL}", tables: [t0, t1, t2, t3, t4], output: change, snapshot: initial, leader: chaos}
  stored: {type: redis-stream, url: "${REDIS_URL}", stream: changes, name: "${NAME}", from: start}
  for_shop: {type: redis-stream, url: "${REDIS_URL}", stream: changes, group: shop, consumer: shop, from: start, leader: shop}
sinks:
  stream: {type: redis-stream, url: "${REDIS_URL}", stream: changes, maxlen: 0}
  out: {type: file, path: "${DIR}/${NAME}", sync: never, rotate: {size: 0}}
  shop:
    type: webhook
    url: "${SHOP_URL}"
    allow: [127.0.0.1]
    secrets: ["${SHOP_SECRET}"]
    headers: {X-Key: "{{ event.key }}"}
    workers: 16
    timeout: 5s
    retry: {initial: 5ms, max: 50ms, attempts: 3, schedule: [100ms, 200ms, 400ms, 1s, 1s, 1s, 1s, 1s, 1s]}
    dead_letter: refused
  refused: {type: file, path: "${DIR}/${NAME}.refused"}
routes:
  capture: {from: [changes], to: [stream], dead_letter: refused}
  store: {from: [stored], to: [out]}
  sell: {from: [for_shop], to: [shop]}
`

// chaos is one run of TestChaos.
type chaos struct {
	t        *testing.T
	rnd      *rand.Rand
	postgres *embedded.Postgres
	redis    *embedded.Redis
	env      map[string]string
	config   string
	gateways map[string]*program
	ended    int // number of ended sessions
}

// TestChaos proves that both gateways and a shop get all committed changes, and the versions of each row in order.
// Writers change five tables in long, aborted and interleaved transactions. Meanwhile sessions are ended, leaders are
// lost during writes, PostgreSQL crashes, gateways and Redis are killed, at random, and the shop fails one request in
// five. postgres-wal keeps the order of commits, too. SEED repeats a run; SHORT=0 makes it ten times as large.
func TestChaos(t *testing.T) {
	for mode := range rowSources {
		t.Run(mode, func(t *testing.T) { runChaos(t, mode) })
	}
}

func runChaos(t *testing.T, mode string) {
	seed := uint64(times("SEED", int(time.Now().UnixNano()%1_000_000)))
	sessions, crashes, kills, redisKills, losses, least := 12, 1, 4, 2, 6, 5_000
	if os.Getenv("SHORT") == "0" {
		sessions, crashes, kills, redisKills, losses, least = 110, 6, 24, 6, 60, 100_000
	}
	t.Logf("SEED=%d: %d times sessions are ended, %d crashes of PostgreSQL, %d kills of gateways, %d of Redis, %d times the leaders are lost", seed, sessions, crashes, kills, redisKills, losses)
	c := newChaos(t, mode, seed)
	w := c.startWriters(seed, least)
	var faults []func()
	for fault, n := range map[int]int{0: sessions, 1: crashes, 2: kills, 3: redisKills, 4: losses} {
		for range n {
			faults = append(faults, []func(){c.endSessions, c.crashPostgres, c.killGateway, c.killRedis, c.loseLeaders}[fault])
		}
	}
	for _, i := range c.rnd.Perm(len(faults)) {
		time.Sleep(time.Duration(100+c.rnd.IntN(500)) * time.Millisecond) // the moment is random, too
		faults[i]()
	}
	w.stop()
	committed := c.committed()
	sold, repeated := w.check(filepath.Join(c.env["DIR"], "shop"), committed, false) // which has several workers
	t.Logf("shop: %d changes, as many as were committed, and %d repeated", sold, repeated)
	for name, p := range c.gateways {
		p.awaitReady()
		versions, repeated := w.check(filepath.Join(c.env["DIR"], name), committed, mode == "wal")
		p.awaitMetric("gateway_conserved 1")
		p.cmd.Process.Signal(syscall.SIGTERM)
		if code := p.exit(testenv.Wait); code != 0 {
			t.Errorf("gateway %s: exit status %d", name, code)
		}
		t.Logf("gateway %s: %d changes, as many as were committed, and %d repeated", name, versions, repeated)
	}
	if len(committed) < least || c.ended < sessions {
		t.Errorf("only %d changes, %d sessions ended", len(committed), c.ended)
	}
	t.Logf("%d changes were committed, %d sessions ended", len(committed), c.ended)
}

func newChaos(t *testing.T, mode string, seed uint64) *chaos {
	dir := t.TempDir()
	c := &chaos{t: t, rnd: rand.New(rand.NewPCG(seed, 1_000_000)), config: filepath.Join(dir, "chaos.yaml"), gateways: map[string]*program{}}
	// Commits must survive a crash of the server, but not of the host.
	c.postgres = testenv.StartPostgres(t, "-c", "synchronous_commit=on")
	var port int
	c.redis, port = testenv.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	c.env = map[string]string{"DATABASE_URL": c.postgres.URL(), "REDIS_URL": fmt.Sprintf("redis://127.0.0.1:%d", port), "DIR": dir, "SHOP_URL": startShop(t, dir), "SHOP_SECRET": shopSecret}
	writeFile(t, c.config, strings.Replace(chaosConfig, "CAPTURE", rowSources[mode], 1))
	db := c.connect()
	defer db.Close(context.Background())
	c.exec(db, "CREATE TABLE audit (tbl text, id int, v int)")
	names := []string{"sql", "--mode", mode, "--apply"}
	for i := range chaosTables {
		c.exec(db, fmt.Sprintf("CREATE TABLE t%d (id int PRIMARY KEY, v int NOT NULL); INSERT INTO t%d SELECT n, 0 FROM generate_series(0, %d) n", i, i, chaosRows-1))
		names = append(names, "--table", fmt.Sprint("t", i))
	}
	if code := startBinary(t, c.env, names...).exit(testenv.Wait); code != 0 {
		t.Fatalf("gateway sql: exit status %d", code)
	}
	for _, name := range []string{"a", "b"} {
		c.startGateway(name)
		c.gateways[name].awaitReady()
	}
	return c
}

func (c *chaos) connect() *pgx.Conn {
	c.t.Helper()
	db, err := pgx.Connect(testenv.Context(c.t), c.postgres.URL())
	if err != nil {
		c.t.Fatal(err)
	}
	return db
}

func (c *chaos) exec(db *pgx.Conn, sql string) {
	c.t.Helper()
	if _, err := db.Exec(testenv.Context(c.t), sql); err != nil {
		c.t.Fatal(err)
	}
}

func (c *chaos) startGateway(name string) {
	env := map[string]string{"NAME": name}
	for k, v := range c.env {
		env[k] = v
	}
	c.gateways[name] = startBinary(c.t, env, "-c", c.config)
}

// endSessions ends the sessions of the gateways, or one of a writer.
func (c *chaos) endSessions() {
	db := c.connect()
	defer db.Close(context.Background())
	condition := "application_name LIKE 'eventgateway%'"
	if c.rnd.IntN(3) == 0 {
		condition = "pid = (SELECT pid FROM pg_stat_activity WHERE application_name = 'writer' ORDER BY random() LIMIT 1)"
	}
	for { // at this moment there may be none
		tag, err := db.Exec(testenv.Context(c.t), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "+condition)
		if err != nil {
			c.t.Fatal(err)
		}
		if tag.RowsAffected() > 0 {
			c.ended += int(tag.RowsAffected())
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (c *chaos) crashPostgres() {
	ctx := testenv.Context(c.t)
	if err := c.postgres.Crash(ctx); err != nil {
		c.t.Fatal(err)
	}
	if err := c.postgres.Start(ctx); err != nil {
		c.t.Fatal(err)
	}
}

// killGateway kills one of the gateways with SIGKILL, and restarts it.
func (c *chaos) killGateway() {
	name := []string{"a", "b"}[c.rnd.IntN(2)]
	p := c.gateways[name]
	if err := p.cmd.Process.Kill(); err != nil {
		c.t.Fatalf("gateway %s: %v\n%s", name, err, p.stderr.String())
	}
	p.exit(testenv.Wait)
	c.startGateway(name)
}

// loseLeaders ends the leaderships while their leaders write, which notice the loss later.
func (c *chaos) loseLeaders() {
	db := c.connect()
	defer db.Close(context.Background())
	c.exec(db, "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND pid <> pg_backend_pid()")
	client := redis.NewClient(&redis.Options{Addr: strings.TrimPrefix(c.env["REDIS_URL"], "redis://")})
	defer client.Close()
	if err := client.Del(testenv.Context(c.t), "eventgateway:leader:{shop}").Err(); err != nil {
		c.t.Fatal(err)
	}
}

func (c *chaos) killRedis() {
	c.redis.Kill()
	if err := c.redis.Start(testenv.Context(c.t)); err != nil {
		c.t.Fatal(err)
	}
}
