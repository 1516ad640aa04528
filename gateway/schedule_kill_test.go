package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

// attempts is an HTTP receiver that records the time of each request, and answers 500 to
// the body "bad".
type attempts struct {
	mu sync.Mutex
	at map[string][]time.Time // by body
}

func (a *attempts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	a.mu.Lock()
	a.at[string(body)] = append(a.at[string(body)], time.Now())
	a.mu.Unlock()
	if string(body) == "bad" {
		http.Error(w, "the shop is on fire", http.StatusInternalServerError)
	}
}

func (a *attempts) of(body string) []time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.at[body]
}

// TestScheduleContinuesAfterKill proves that a gateway that is killed during the schedule of an event continues the
// schedule. Later events of its key wait, delivered events are not repeated, and in the end the event is a dead letter
// with the last answer.
func TestScheduleContinuesAfterKill(t *testing.T) {
	client := testenv.RedisClient(t)
	if err := client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	a := &attempts{at: map[string][]time.Time{}}
	shop := httptest.NewServer(a)
	defer shop.Close()
	dir := t.TempDir()
	config, parked := filepath.Join(dir, "gateway.yaml"), filepath.Join(dir, "parked.jsonl")
	start := func(lastPause string) *program {
		writeFile(t, config, fmt.Sprintf(`
http: {listen: ":${PORT}"}
sources:
  orders: {type: redis-stream, url: %q, stream: orders, group: shop, consumer: me, from: start}
sinks:
  shop:
    type: webhook
    url: %s
    allow: [127.0.0.1]
    ordering: key
    workers: 4
    retry: {initial: 10ms, max: 10ms, attempts: 2, schedule: [100ms, 3s, %s]}
    dead_letter: parked
  parked: {type: file, path: %q}
routes:
  all: {from: [orders], to: [shop]}
`, testenv.Redis(t).URL(), shop.URL, lastPause, parked))
		p := startBinary(t, nil, "-c", config)
		p.awaitReady()
		return p
	}
	await := func(what string, condition func() bool) {
		t.Helper()
		testenv.Eventually(t, testenv.Wait, what, condition, func() string { return fmt.Sprintf("attempts %v", a.at) })
	}
	saved := func(n int) func() bool {
		return func() bool {
			all := client.HVals(t.Context(), "{orders}:group:shop:tried").Val()
			pending := client.XPending(t.Context(), "orders", "shop").Val()
			return len(all) == 1 && strings.HasPrefix(all[0], fmt.Sprint(n, " ")) && pending != nil && pending.Count == 2
		}
	}
	kill := func(p *program) {
		t.Helper()
		p.awaitMetric(`gateway_sink_retrying{sink="shop"} 1`)
		p.awaitMetric(`gateway_sink_held_back{sink="shop"} 1`)
		if err := p.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		p.exit(testenv.Wait)
	}

	p := start("1h")
	for _, e := range [][2]string{{"1", "bad"}, {"1", "later of its key"}, {"2", "another"}} {
		values := []string{"eventgateway", "1", "id", e[1], "key", e[0], "data", e[1]}
		if err := client.XAdd(t.Context(), &redis.XAddArgs{Stream: "orders", Values: values}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	await("two quick attempts and one of the schedule are saved", saved(3))
	kill(p)
	p = start("1h")
	await("the second attempt of the schedule is saved", saved(4))
	kill(p)
	if at := a.of("bad"); len(at) != 4 || at[3].Sub(at[2]) < 3*time.Second {
		t.Errorf("attempts at %v", at)
	}
	p = start("100ms") // an hour is too long for a test
	await("the later event of the key", func() bool { return len(a.of("later of its key")) == 1 })
	await("no event pending", func() bool {
		n := client.XPending(t.Context(), "orders", "shop").Val()
		return n != nil && n.Count == 0
	})
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := p.exit(testenv.Wait); code != 0 {
		t.Errorf("exit status %d", code)
	}
	if bad, other := len(a.of("bad")), len(a.of("another")); bad != 5 || other != 1 {
		t.Errorf("%d attempts of the bad one, %d of another", bad, other)
	}
	line, err := os.ReadFile(parked)
	if err != nil {
		t.Fatal(err)
	}
	e, err := event.ParseLine(line)
	if err != nil {
		t.Fatal(err)
	}
	reason, _ := e.Attr(plugin.DeadLetterReason)
	n, _ := e.Attr(plugin.DeadLetterAttempts)
	if string(e.Data) != "bad" || n != "5" || !strings.Contains(reason, "500 Internal Server Error") || !strings.Contains(reason, "the shop is on fire") {
		t.Errorf("parked: %s", line)
	}
}
