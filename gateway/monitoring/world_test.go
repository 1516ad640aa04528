package monitoring

import (
	"maps"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/testenv"
)

// world is three gateways with their servers, and the Prometheus that scrapes them.
type world struct {
	t               *testing.T
	p               *prometheus
	redis           *testenv.RedisServer
	postgres        *testenv.PostgresServer
	db              *pgx.Conn
	receiver        *receiver
	files           *tlsFiles
	shop, bus, twin *gatewayProcess
	list            func(bool) // lists the targets, or none
	seen            map[string]bool
}

func startWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, postgres: testenv.StartPostgres(t), receiver: startReceiver(t), files: makeTLSFiles(t), seen: map[string]bool{}}
	w.redis, _ = testenv.StartRedis(t)
	env := map[string]string{"DATABASE_URL": w.postgres.URL(), "REDIS_URL": w.redis.URL(), "RECEIVER": w.receiver.url, "DIR": t.TempDir(), "MODULE": guest(t), "CERT": w.files.cert, "KEY": w.files.key, "CA": w.files.CA}
	w.connect()
	w.exec("CREATE DATABASE elsewhere")
	w.exec(testenv.OldTrigger)
	for _, mode := range []string{"outbox", "wal"} {
		run(t, env, "sql", "--mode", mode, "--table", "orders", "--apply")
	}
	w.shop = startGateway(t, shopConfig, nil, env)
	w.bus = startGateway(t, busConfig, w.files.client(t), env)
	twin := maps.Clone(env)
	twin["DATABASE_URL"] = strings.Replace(w.postgres.URL(), "/postgres?", "/elsewhere?", 1)
	w.twin = startGateway(t, strings.Replace(twinConfig, "LEADER", "other", 1), nil, twin)
	w.dial("/?channel=lobby")
	w.dial("/single")
	w.order()
	rules := []string{scale(t, "alerts.yml", 100, 600, thresholds, nil), scale(t, "objectives.yml", 300, 600, nil, []string{"GatewayLateSlowly", "GatewayLosesSlowly"})}
	config, list := scrapeConfig(t, rules, w.files, map[string]string{"prometheus": w.shop.addr, "prometheus-tls": w.bus.addr, "prometheus-admin": w.twin.addr})
	w.p, w.list = startPrometheus(t, config), list
	return w
}

func (w *world) connect() {
	w.t.Helper()
	w.db = testenv.ConnectURL(w.t, w.postgres.URL())
}

func (w *world) exec(sql string) {
	w.t.Helper()
	if _, err := w.db.Exec(testenv.Context(w.t), sql); err != nil {
		w.t.Fatal(err)
	}
}

// order inserts an order.
func (w *world) order() {
	w.t.Helper()
	w.exec("INSERT INTO orders (customer_name, amount) VALUES ('Ada', 1.50)")
}

// fail makes everything fail but PostgreSQL.
func (w *world) fail() {
	t := w.t
	t.Helper()
	if err := w.redis.Stop(testenv.Context(t)); err != nil {
		t.Fatal(err)
	}
	w.receiver.failing.Store(true)
	write(t, w.shop.config, shopConfig+"nonsense: true\n")
	write(t, w.twin.config, strings.Replace(twinConfig, "LEADER", "capture", 1))
	w.files.issue(t, time.Hour)
	w.p.await("in use: the new certificate", `gateway_tls_certificate_expiry_timestamp_seconds - time() < 86400`)
	write(t, w.files.cert, "garbage")
	w.order() // it cannot be delivered, so that its WAL is kept
	for range 8 {
		w.exec("SELECT pg_logical_emit_message(false, 'other', repeat('x', 1000000))")
	}
	w.dial("/narrow") // it never reads
	if conn, resp, err := websocket.DefaultDialer.Dial("ws://"+w.shop.addr+"/single", nil); err == nil || resp == nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Fatalf("a second client: %v, %v, %+v", conn, err, resp)
	}
}

// dial connects a WebSocket client with a small buffer, which does not read, to the shop. It is closed at the end of the test.
func (w *world) dial(path string) {
	w.t.Helper()
	dialer := websocket.Dialer{HandshakeTimeout: testenv.Wait, NetDial: func(network, addr string) (net.Conn, error) {
		conn, err := net.Dial(network, addr)
		if err == nil {
			err = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
		}
		return conn, err
	}}
	conn, _, err := dialer.Dial("ws://"+w.shop.addr+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { conn.Close() })
}

func (w *world) failPostgres() {
	w.t.Helper()
	if err := w.postgres.Stop(testenv.Context(w.t)); err != nil {
		w.t.Fatal(err)
	}
}

// mend makes everything work again.
func (w *world) mend() {
	t := w.t
	t.Helper()
	ctx := testenv.Context(t)
	if err := w.postgres.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := w.redis.Start(ctx); err != nil {
		t.Fatal(err)
	}
	w.receiver.failing.Store(false)
	write(t, w.shop.config, shopConfig)
	write(t, w.twin.config, strings.Replace(twinConfig, "LEADER", "other", 1))
	w.files.issue(t, 30*24*time.Hour)
	w.bus.start()
	w.connect()
	w.order()
}
