package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/testenv"
)

// blockingReceiver is an HTTP receiver that blocks the first request until refuse is closed, and then
// refuses it. It accepts every other.
type blockingReceiver struct {
	begun, refuse chan struct{}
	once          sync.Once
	text          *regexp.Regexp // the part of a body that is recorded

	mu       sync.Mutex
	accepted []string
	headers  []string // values of the headers about order
}

func (h *blockingReceiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	first := false
	h.once.Do(func() { first = true })
	if first {
		close(h.begun)
		<-h.refuse
		http.Error(w, "not now", http.StatusInternalServerError)
		return
	}
	h.mu.Lock()
	h.accepted = append(h.accepted, string(bytes.Join(h.text.FindAll(body, -1), []byte(" "))))
	for _, name := range []string{"Webhook-Key-Before", "Webhook-Barrier"} {
		if value := r.Header.Get(name); value != "" {
			h.headers = append(h.headers, value)
		}
	}
	h.mu.Unlock()
}

func newBlockingReceiver(text string) *blockingReceiver {
	return &blockingReceiver{begun: make(chan struct{}), refuse: make(chan struct{}), text: regexp.MustCompile(text)}
}

func (h *blockingReceiver) all() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.accepted)
}

// midWrite is a source with a leader, and a way to lose its leadership during a write.
type midWrite struct {
	source string // configuration
	begin  func(t *testing.T)
	change func(t *testing.T, v string) // makes an event with the version v of the one key
	lose   func(t *testing.T)
}

var ofRedis = midWrite{
	begin: func(t *testing.T) {
		if err := testenv.RedisClient(t).FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	},
	change: func(t *testing.T, v string) {
		values := []string{"eventgateway", "1", "id", v, "key", "k", "data", v}
		if err := testenv.RedisClient(t).XAdd(t.Context(), &redis.XAddArgs{Stream: "orders", Values: values}).Err(); err != nil {
			t.Fatal(err)
		}
	},
	lose: func(t *testing.T) {
		if n, err := testenv.RedisClient(t).Del(t.Context(), "eventgateway:leader:{orders_publisher}").Result(); err != nil || n != 1 {
			t.Fatal(n, err)
		}
	},
}

var ofPostgres = midWrite{
	source: "{type: postgres-outbox, url: \"${DATABASE_URL}\", tables: [versions], leader: orders_publisher}",
	begin: func(t *testing.T) {
		dropOutbox(t)
		execSQL(t, "DROP TABLE IF EXISTS versions; CREATE TABLE versions (id int PRIMARY KEY, state text)")
		if code := startBinary(t, realServers(t), "sql", "--mode", "outbox", "--table", "versions", "--apply").exit(testenv.Wait); code != 0 {
			t.Fatalf("gateway sql: exit status %d", code)
		}
		t.Cleanup(func() { dropOutbox(t) })
	},
	change: func(t *testing.T, v string) {
		execSQL(t, "INSERT INTO versions VALUES (1, '"+v+"') ON CONFLICT (id) DO UPDATE SET state = '"+v+"'")
	},
	lose: func(t *testing.T) {
		execSQL(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'eventgateway%'")
	},
}

func execSQL(t *testing.T, sql string) {
	t.Helper()
	if _, err := testenv.Connect(t).Exec(testenv.Context(t), sql); err != nil {
		t.Fatal(err)
	}
}

// TestOrderAfterLeadershipLostDuringWrite proves the order of a key when a leadership is lost during a write
// that then fails. The same gateway leads again, or another one; later events do not arrive before the
// event of that write.
func TestOrderAfterLeadershipLostDuringWrite(t *testing.T) {
	group, name := ofRedis, ofRedis
	group.source = "{type: redis-stream, url: \"${REDIS_URL}\", stream: orders, group: shop, consumer: me, from: start, leader: orders_publisher}"
	name.source = "{type: redis-stream, url: \"${REDIS_URL}\", stream: orders, name: shop, from: start, leader: orders_publisher}"
	for what, w := range map[string]midWrite{"group": group, "name": name, "outbox": ofPostgres} {
		for _, gateways := range []int{1, 2} {
			t.Run(fmt.Sprint(what, "/", gateways), func(t *testing.T) { w.run(t, gateways) })
		}
	}
}

func (w *midWrite) run(t *testing.T, gateways int) {
	w.begin(t)
	h := newBlockingReceiver(`v[0-9]`)
	shop := httptest.NewServer(h)
	defer shop.Close()
	config := filepath.Join(t.TempDir(), "gateway.yaml")
	writeFile(t, config, fmt.Sprintf(`
http: {listen: ":${PORT}"}
sources:
  orders_db: %s
sinks:
  shop: {type: webhook, url: %s, allow: [127.0.0.1], workers: 4, retry: {initial: 10ms, max: 10ms}}
routes:
  all: {from: [orders_db], to: [shop]}
`, w.source, shop.URL))
	var all []*program
	for i := range gateways {
		all = append(all, startBinary(t, realServers(t), "-c", config))
		all[i].awaitReady()
		if i == 0 {
			all[0].awaitLeading()
		}
	}
	for _, v := range []string{"v1", "v2", "v3"} {
		w.change(t, v)
	}
	<-h.begun
	term := all[0].leader().Term
	all[0].awaitMetric(`gateway_sink_held_back{sink="shop"} 2`)
	w.lose(t)
	all[0].awaitMetric(`gateway_sink_returned_total{sink="shop"} 2`) // the loss was noticed
	if gateways == 1 {
		time.Sleep(time.Second) // long enough to lead again, if it did not wait for the write
		close(h.refuse)
	}
	h.await(t, "v1", "v2", "v3")
	if gateways == 2 {
		close(h.refuse) // the other gateway has delivered the event
		all[0].awaitMetric(`gateway_sink_returned_total{sink="shop"} 3`)
		h.await(t, "v1", "v2", "v3")
	}
	if leads := all[gateways-1].leader(); leads.State != "leader" || leads.Term <= term {
		t.Errorf("%+v, after term %d: no leadership was lost", leads, term)
	}
	for _, p := range all {
		p.awaitMetric("gateway_conserved 1")
		p.cmd.Process.Signal(syscall.SIGTERM)
		if code := p.exit(testenv.Wait); code != 0 {
			t.Errorf("exit status %d", code)
		}
	}
	h.await(t, "v1", "v2", "v3")
}

// await waits until as many requests are accepted as want has, and compares them with want.
func (h *blockingReceiver) await(t *testing.T, want ...string) {
	t.Helper()
	testenv.Eventually(t, testenv.Wait, "all arrived", func() bool { return len(h.all()) >= len(want) }, func() string { return fmt.Sprintf("%q", h.all()) })
	if got := h.all(); !slices.Equal(got, want) {
		t.Errorf("arrived: %q", got)
	}
}
