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

	"eventgateway/gateway/testenv"
)

// refusingReceiver is an HTTP receiver that answers 404 to bodies with a text, until accepts is set.
type refusingReceiver struct {
	mu      sync.Mutex
	text    string
	accepts bool
	got     map[string]int // accepted requests by body
	order   []string       // accepted bodies that contain text
}

func (m *refusingReceiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	body := string(b)
	m.mu.Lock()
	defer m.mu.Unlock()
	if strings.Contains(body, m.text) {
		if !m.accepts {
			http.NotFound(w, r)
			return
		}
		m.order = append(m.order, body)
	}
	m.got[body]++
}

// counts returns how many different bodies were accepted, and how many requests repeated one.
func (m *refusingReceiver) counts() (different, repeated int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, n := range m.got {
		repeated += n - 1
	}
	return len(m.got), repeated
}

func (m *refusingReceiver) await(t *testing.T, n int) {
	t.Helper()
	last, at := 0, time.Now()
	for {
		different, _ := m.counts()
		if different >= n {
			return
		}
		if different > last {
			last, at = different, time.Now()
		}
		if time.Since(at) > testenv.Wait { // without progress
			t.Fatalf("%d events of %d", different, n)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

const blockedConfig = `
http: {listen: ":${PORT}"}
sources:
  in: %s
sinks:
  shop: {type: webhook, url: %s, allow: [127.0.0.1], workers: 8, retry: {max: 500ms}}
routes:
  all: {from: [in], to: [shop]}
`

// TestFailingEventBlocksItsKeyOnlyAcrossKill proves that an event that is retried without end blocks only later events
// of its key. Other events are delivered, their acks are stored, and they are not repeated after a kill. When the
// receiver accepts the event, it arrives before the later ones of its key. STAYS sets the number of other events.
func TestFailingEventBlocksItsKeyOnlyAcrossKill(t *testing.T) {
	others := times("STAYS", 12_000) // more than in_flight
	client := testenv.RedisClient(t)
	stream := func(t *testing.T, from, n int) {
		for begin := 0; begin < n; begin += 1000 {
			if _, err := client.Pipelined(t.Context(), func(pipe redis.Pipeliner) error {
				for i := from + begin; i < from+min(begin+1000, n); i++ {
					pipe.XAdd(t.Context(), &redis.XAddArgs{Stream: "stays", Values: []string{"data", fmt.Sprintf(`{"id":%d,}`, i), "key", fmt.Sprint(i)}})
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
	pending := func(condition func() bool) func(*testing.T) {
		return func(t *testing.T) {
			testenv.Eventually(t, testenv.Wait, "stored", condition)
		}
	}
	for name, c := range map[string]struct {
		source string
		begin  func(*testing.T)                // creates the stream or the table
		write  func(t *testing.T, from, n int) // writes events with ids
		second func(*testing.T)                // writes a second event of the key 7
		stored func(*testing.T)                // waits until the acks of others + 9 events are stored
	}{
		"name": {
			source: fmt.Sprintf("{type: redis-stream, url: %q, stream: stays, from: start, name: n}", testenv.Redis(t).URL()),
			begin:  func(t *testing.T) { client.FlushAll(t.Context()) }, write: stream,
			second: func(t *testing.T) {
				client.XAdd(t.Context(), &redis.XAddArgs{Stream: "stays", Values: []string{"data", `{"id":7,"second":true}`, "key", "7"}})
			},
			stored: pending(func() bool {
				text := client.HGet(t.Context(), "{stays}:position:n", "settled").Val()
				return strings.Count(text, ",") == 2 && strings.HasSuffix(text, fmt.Sprintf(" 12 %d,", others+11))
			}),
		},
		"group": {
			source: fmt.Sprintf("{type: redis-stream, url: %q, stream: stays, from: start, group: g, consumer: me}", testenv.Redis(t).URL()),
			begin:  func(t *testing.T) { client.FlushAll(t.Context()) }, write: stream,
			second: func(t *testing.T) {
				client.XAdd(t.Context(), &redis.XAddArgs{Stream: "stays", Values: []string{"data", `{"id":7,"second":true}`, "key", "7"}})
			},
			stored: pending(func() bool {
				p := client.XPending(t.Context(), "stays", "g").Val()
				return p != nil && p.Count == 2
			}),
		},
		"outbox": {
			source: fmt.Sprintf("{type: postgres-outbox, url: %q, tables: [stays]}", testenv.Postgres(t).URL()),
			begin: func(t *testing.T) {
				dropOutbox(t)
				db := testenv.Connect(t)
				if _, err := db.Exec(t.Context(), "DROP TABLE IF EXISTS stays; CREATE TABLE stays (id int PRIMARY KEY, n int)"); err != nil {
					t.Fatal(err)
				}
				env := map[string]string{"DATABASE_URL": testenv.Postgres(t).URL()}
				if code := startBinary(t, env, "sql", "--mode", "outbox", "--table", "stays", "--apply").exit(testenv.Wait); code != 0 {
					t.Fatalf("gateway sql: exit status %d", code)
				}
			},
			write: func(t *testing.T, from, n int) {
				db := testenv.Connect(t)
				if _, err := db.Exec(t.Context(), "INSERT INTO stays SELECT generate_series($1::int, $2)", from, from+n-1); err != nil {
					t.Fatal(err)
				}
			},
			second: func(t *testing.T) {
				if _, err := testenv.Connect(t).Exec(t.Context(), "UPDATE stays SET n = 1 WHERE id = 7"); err != nil {
					t.Fatal(err)
				}
			},
			stored: func(t *testing.T) {
				db := testenv.Connect(t)
				pending(func() bool {
					var ok bool
					if err := db.QueryRow(t.Context(), "SELECT upper(gaps) - lower(gaps) > 2 AND (SELECT count(*) = 2 FROM gateway.outbox) FROM gateway.outbox_reader").Scan(&ok); err != nil {
						t.Fatal(err)
					}
					return ok
				})(t)
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := &refusingReceiver{text: `"id":7,`, got: map[string]int{}}
			shop := httptest.NewServer(m)
			defer shop.Close()
			config := filepath.Join(t.TempDir(), "gateway.yaml")
			writeFile(t, config, fmt.Sprintf(blockedConfig, c.source, shop.URL))
			begin := func() *program {
				p := startBinary(t, nil, "-c", config)
				p.awaitReady()
				return p
			}
			c.begin(t)
			p := begin()
			c.write(t, 0, 10)
			m.await(t, 9)
			c.second(t)
			c.write(t, 10, others)
			m.await(t, others+9)
			p.awaitMetric(`gateway_source_outstanding{source="in"} 2`)
			p.awaitMetric("gateway_conserved 1")
			p.awaitMetric(`gateway_source_stalled{source="in"} 0`)
			c.stored(t)
			if err := p.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			p.exit(testenv.Wait)

			p = begin()
			c.write(t, others+10, 1)
			m.await(t, others+10)
			p.awaitMetric(`gateway_source_outstanding{source="in"} 2`)
			if n, repeated := m.counts(); n != others+10 || repeated > 0 {
				t.Errorf("%d events, %d repeated", n, repeated)
			}
			m.mu.Lock()
			m.accepts = true
			m.mu.Unlock()
			m.await(t, others+12)
			p.awaitMetric(`gateway_source_outstanding{source="in"} 0`)
			p.awaitMetric("gateway_conserved 1")
			if _, repeated := m.counts(); repeated > 0 || len(m.order) != 2 || strings.Contains(m.order[0], "second") || strings.Contains(m.order[0], `"n":1`) {
				t.Errorf("%d repeated; events of the key: %v", repeated, m.order)
			}
			if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
			if code := p.exit(testenv.Wait); code != 0 {
				t.Errorf("exit status %d", code)
			}
		})
	}
}
