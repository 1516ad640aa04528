package main

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.yaml.in/yaml/v3"

	"eventgateway/gateway/testenv"
)

// absolute returns the path of a file of the repository.
func absolute(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func realServers(t *testing.T) map[string]string {
	return map[string]string{"DATABASE_URL": testenv.Postgres(t).URL(), "REDIS_URL": testenv.Redis(t).URL()}
}

// order inserts an order.
func order(t *testing.T, customer string, amount string) {
	t.Helper()
	db := testenv.OrdersTable(t)
	if _, err := db.Exec(testenv.Context(t), "INSERT INTO orders (customer_name, amount) VALUES ($1, $2)", customer, amount); err != nil {
		t.Fatal(err)
	}
}

func dial(t *testing.T, p *program) *websocket.Conn {
	t.Helper()
	conn, _, err := websocket.DefaultDialer.Dial("ws://127.0.0.1:"+p.port+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetReadDeadline(time.Now().Add(testenv.Wait))
	return conn
}

func read(t *testing.T, conn *websocket.Conn) string {
	t.Helper()
	_, msg, err := conn.ReadMessage()
	if err != nil {
		t.Fatal(err)
	}
	return string(msg)
}

// request is what a webhook received.
type request struct {
	header http.Header
	body   string
}

// receiver is a webhook's endpoint.
func receiver(t *testing.T) (url string, got chan request) {
	got = make(chan request, 10)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- request{r.Header, string(body)}
	}))
	t.Cleanup(s.Close)
	return s.URL, got
}

// configs holds the test of each example configuration.
var configs = map[string]func(t *testing.T, file string){
	"gateway.yaml": func(t *testing.T, file string) {
		p := startBinary(t, realServers(t), "-c", file)
		p.awaitLeading()
		conn := dial(t, p)
		if got := read(t, conn); got != `{"type":"welcome","msg":"Connected to orders updates"}` {
			t.Errorf("welcome: %s", got)
		}
		order(t, "Ada", "1.50")
		if got := read(t, conn); !strings.Contains(got, `"customer_name":"Ada"`) || !strings.Contains(got, `"_pub_id":`) {
			t.Errorf("frame: %s", got)
		}
	},
	"configs/orders-stdout.yaml": func(t *testing.T, file string) {
		p := startBinary(t, realServers(t), "-c", file)
		p.awaitLeading()
		order(t, "Ada", "1.50")
		got := p.line()
		if !json.Valid([]byte(got)) || !strings.Contains(got, `"customer_name":"Ada"`) {
			t.Errorf("line: %s", got)
		}
	},
	"configs/orders-fanout.yaml": func(t *testing.T, file string) {
		env := realServers(t)
		hook, requests := receiver(t)
		env["WEBHOOK_URL"] = hook
		p := startBinary(t, env, "-c", file)
		p.awaitReady()
		conn := dial(t, p)
		client := testenv.RedisClient(t)
		for _, amount := range []string{"10.50", "1000.00"} {
			msg := `{"operation":"INSERT","order":{"id":7,"customer_name":"Ada","amount":` + amount + `}}`
			if err := client.Publish(testenv.Context(t), "orders_updates", msg).Err(); err != nil {
				t.Fatal(err)
			}
			if got := read(t, conn); got != msg {
				t.Errorf("browser: %s", got)
			}
			if got := p.line(); got != "INSERT order 7 of Ada" {
				t.Errorf("screen: %s", got)
			}
		}
		if got := <-requests; !strings.Contains(got.body, `"amount":1000.00`) { // the small one was filtered
			t.Errorf("webhook: %s", got.body)
		}
	},
	"configs/orders-routing.yaml": func(t *testing.T, file string) {
		env := realServers(t)
		hook, requests := receiver(t)
		env["WEBHOOK_URL"], env["AUDIT_FILE"] = hook, filepath.Join(t.TempDir(), "audit.jsonl")
		p := startBinary(t, env, "-c", file)
		p.awaitReady()
		conn := dial(t, p)
		client := testenv.RedisClient(t)
		for _, msg := range []string{
			`{"operation":"DELETE","order":{"id":6}}`,
			`{"operation":"INSERT","order":{"id":7,"customer_name":"Ada","amount":1000.00},"_published_at":"T"}`,
			`{"operation":"INSERT","order":{"id":8,"customer_name":"Ada","amount":1.50}}`,
		} {
			if err := client.Publish(testenv.Context(t), "orders_updates", msg).Err(); err != nil {
				t.Fatal(err)
			}
		}
		if got, want := read(t, conn), `{"operation":"INSERT","order":{"id":8,"customer_name":"***","amount":1.50}}`; got != want {
			t.Errorf("browser: %s", got)
		}
		if got, want := (<-requests).body, `{"title":"Order 7 of Ada","amount":1000.00,"at":"T"}`; got != want {
			t.Errorf("webhook: %s", got)
		}
		p.awaitMetric(`gateway_sink_delivered_total{sink="audit"} 1`)
	},
	"configs/orders-webhook.yaml": func(t *testing.T, file string) {
		env := realServers(t)
		hook, requests := receiver(t)
		env["WEBHOOK_URL"], env["WEBHOOK_TOKEN"] = hook, "t0ken"
		p := startBinary(t, env, "-c", file)
		p.awaitLeading()
		order(t, "Ada", "1.50")
		got := <-requests
		if !strings.HasPrefix(got.body, `{"operation" : "INSERT", "order" : {"id":1,"customer_name":"Ada"`) {
			t.Errorf("body: %s", got.body)
		}
		if h := got.header; h.Get("Authorization") != "Bearer t0ken" || h.Get("Content-Type") != "application/json" || h.Get("Webhook-Id") == "" {
			t.Errorf("header: %v", h)
		}
	},
	"configs/orders-batch.yaml":  batches,
	"configs/orders-window.yaml": sums,
	"configs/live-page.yaml":     livePage,
	"configs/orders-durable.yaml": func(t *testing.T, file string) {
		for name, servers := range map[string]map[string]string{
			"servers": realServers(t), "embedded servers": {"PATH": os.Getenv("PATH")},
		} {
			t.Run(name, func(t *testing.T) { durable(t, file, servers) })
		}
	},
	"configs/orders-wal.yaml": func(t *testing.T, file string) {
		t.Run("servers", func(t *testing.T) { fromWAL(t, file, realServers(t)) })
		t.Run("embedded servers", func(t *testing.T) { fromWAL(t, file, map[string]string{"PATH": os.Getenv("PATH")}) })
	},
	"configs/publisher.yaml": func(t *testing.T, file string) { publishAndDeliver(t, file, "") },
	"configs/deliver.yaml":   func(t *testing.T, file string) { publishAndDeliver(t, "", file) },
}

// durable proves that browsers and the shop get each inserted order.
func durable(t *testing.T, file string, servers map[string]string) {
	hook, requests := receiver(t)
	env := map[string]string{"WEBHOOK_URL": hook, "PARKED_FILE": filepath.Join(t.TempDir(), "parked.jsonl")}
	maps.Copy(env, servers)
	embedded := servers["DATABASE_URL"] == ""
	insert := func(p *program) {
		if embedded {
			requestDemo(t, p)
			return
		}
		db := testenv.Connect(t)
		if _, err := db.Exec(testenv.Context(t), "INSERT INTO orders (customer_name, amount) VALUES ('Ada', 1.50)"); err != nil {
			t.Fatal(err)
		}
	}
	if !embedded {
		testenv.OrdersTable(t)
		dropOutbox(t)
		t.Cleanup(func() { dropOutbox(t) })
		sql := startBinary(t, servers, "sql", "--mode", "outbox", "--table", "orders", "--apply")
		if code := sql.exit(testenv.Wait); code != 0 {
			t.Fatalf("gateway sql: exit status %d", code)
		}
	}
	p := startBinary(t, env, "-c", file)
	p.awaitLeading()
	conn := dial(t, p)
	read(t, conn) // welcome
	for n := range 3 {
		insert(p)
		frame, body := read(t, conn), (<-requests).body
		if frame != body || !strings.Contains(frame, `"customer_name":`) || !strings.Contains(frame, `,"_source":"postgres_outbox"}`) {
			t.Errorf("order %d:\nbrowser: %s\nshop:    %s", n, frame, body)
		}
	}
}

// publishAndDeliver runs the two halves in processes of their own: the given
// files, or else the halves of gateway.yaml.
func publishAndDeliver(t *testing.T, publisher, deliver string) {
	half := func(file, route string) *program {
		args := []string{"-c", file}
		if file == "" {
			args = []string{"-c", absolute(t, "gateway.yaml"), "--route", route}
		}
		p := startBinary(t, realServers(t), args...)
		p.awaitReady()
		return p
	}
	half(publisher, "publish").awaitLeading()
	conn := dial(t, half(deliver, "deliver"))
	read(t, conn) // welcome
	order(t, "Ada", "1.50")
	if got := read(t, conn); !strings.Contains(got, `"customer_name":"Ada"`) {
		t.Errorf("frame: %s", got)
	}
}

// TestEveryConfigRuns starts each example configuration on real servers, and runs its tests by `gateway test`.
func TestEveryConfigRuns(t *testing.T) {
	files, err := filepath.Glob("../configs/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, "../gateway.yaml") {
		name := strings.TrimPrefix(filepath.ToSlash(file), "../")
		t.Run(name, func(t *testing.T) {
			test := configs[name]
			if test == nil {
				t.Fatal("the file has no test: add one to configs")
			}
			test(t, absolute(t, name))
		})
		t.Run(name+" passes its tests", func(t *testing.T) {
			env := map[string]string{} // no server, and no variable
			p := startBinary(t, env, "test", absolute(t, name))
			if code := p.exit(testenv.Wait); code != 0 {
				t.Errorf("exit status %d", code)
			}
		})
		t.Run(name+" passes its tests in gateway-full", func(t *testing.T) {
			p := startCommand(t, nil, exec.Command(fullBinary(t), "test", absolute(t, name)))
			if code := p.exit(testenv.Wait); code != 0 {
				t.Errorf("exit status %d", code)
			}
		})
	}
}

// TestReplacingSinkChangesOneBlock proves that orders-stdout.yaml differs from gateway.yaml in one sink only.
func TestReplacingSinkChangesOneBlock(t *testing.T) {
	load := func(name string) map[string]any {
		text, err := os.ReadFile(absolute(t, name))
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]any
		if err := yaml.Unmarshal(text, &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	a, b := load("gateway.yaml"), load("configs/orders-stdout.yaml")
	browsers := func(m map[string]any) any { return m["sinks"].(map[string]any)["browsers"] }
	if reflect.DeepEqual(browsers(a), browsers(b)) {
		t.Error("browsers is the same in both")
	}
	for _, m := range []map[string]any{a, b} {
		delete(m["sinks"].(map[string]any), "browsers")
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("more than sinks.browsers differs:\n%v\n%v", a, b)
	}
}
