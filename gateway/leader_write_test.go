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

// holding is a receiver that holds the first request until it is told to refuse it, and
// takes every other.
type holding struct {
	begun, refuse chan struct{}
	once          sync.Once
	text          *regexp.Regexp // what is noted of a body

	mu     sync.Mutex
	taken  []string
	places []string // the values of the headers that say where an event stands
}

func (h *holding) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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
	h.taken = append(h.taken, string(bytes.Join(h.text.FindAll(body, -1), []byte(" "))))
	for _, name := range []string{"Webhook-Key-Before", "Webhook-Barrier"} {
		if value := r.Header.Get(name); value != "" {
			h.places = append(h.places, value)
		}
	}
	h.mu.Unlock()
}

func startHolding(text string) *holding {
	return &holding{begun: make(chan struct{}), refuse: make(chan struct{}), text: regexp.MustCompile(text)}
}

func (h *holding) all() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.taken)
}

// midWrite is one way to lose a leadership in mid-write.
type midWrite struct {
	source string // its configuration
	begin  func(t *testing.T)
	change func(t *testing.T, v string) // brings the version v of the one key
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

// TestLeaderLostInMidWrite: the leadership is lost while a write is under way that then
// fails, and the same gateway leads again, or another one does. What is behind the event of
// that write does not arrive before it.
func TestLeaderLostInMidWrite(t *testing.T) {
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
	h := startHolding(`v[0-9]`)
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
		time.Sleep(time.Second) // in which it would lead again if it did not wait
		close(h.refuse)
	}
	h.await(t, "v1", "v2", "v3")
	if gateways == 2 {
		close(h.refuse) // its event was delivered by the other gateway
		all[0].awaitMetric(`gateway_sink_returned_total{sink="shop"} 3`)
		h.await(t, "v1", "v2", "v3")
	}
	if leads := all[gateways-1].leader(); leads.State != "leader" || leads.Term <= term {
		t.Errorf("%+v, after the term %d: no leadership was lost", leads, term)
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

// await waits for as many as are wanted, and checks all that have arrived.
func (h *holding) await(t *testing.T, want ...string) {
	t.Helper()
	testenv.Eventually(t, testenv.Wait, "all arrived", func() bool { return len(h.all()) >= len(want) }, func() string { return fmt.Sprintf("%q", h.all()) })
	if got := h.all(); !slices.Equal(got, want) {
		t.Errorf("arrived: %q", got)
	}
}
