package app

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"eventgateway/gateway/testenv"
)

const webhookKey = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// flakyReceiver is an HTTP receiver that fails three of ten requests, in one of several ways, and counts
// accepted events.
type flakyReceiver struct {
	t      *testing.T
	verify *standardwebhooks.Webhook
	keys   int

	mu       sync.Mutex
	next     map[int]int // by key: the number of the event that must come next
	accepted int
	repeated int            // events accepted before whose answer was lost
	faults   map[string]int // by name
}

func (m *flakyReceiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		m.t.Errorf("reading a body: %v", err)
	}
	if err := m.verify.Verify(body, r.Header); err != nil {
		m.t.Errorf("a signature: %v", err)
	}
	var event struct{ Number int }
	if err := json.Unmarshal(body, &event); err != nil {
		m.t.Errorf("%s: %v", body, err)
	}
	fault := "none"
	if rand.IntN(10) < 3 {
		fault = []string{"500", "503", "timeout", "reset", "reset when taken", "trickled 200", "trickled 500"}[rand.IntN(7)]
	}
	switch fault {
	case "none", "reset when taken", "trickled 200":
		m.record(event.Number)
	}
	m.mu.Lock()
	m.faults[fault]++
	m.mu.Unlock()
	switch fault {
	case "500":
		w.WriteHeader(http.StatusInternalServerError)
	case "503":
		w.WriteHeader(http.StatusServiceUnavailable)
	case "timeout":
		<-r.Context().Done()
	case "reset", "reset when taken":
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			m.t.Error(err)
			return
		}
		_ = conn.(*net.TCPConn).SetLinger(0) // RST
		conn.Close()
	case "trickled 200", "trickled 500":
		w.WriteHeader(map[string]int{"trickled 200": 200, "trickled 500": 500}[fault])
		for range 5 {
			fmt.Fprint(w, "x")
			w.(http.Flusher).Flush()
			time.Sleep(10 * time.Millisecond) // between the bytes of the answer
		}
	}
}

// record counts an event, and checks the order of its key: only the last event of a key may be repeated.
func (m *flakyReceiver) record(number int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := number % m.keys
	switch want := key + m.next[key]*m.keys; number {
	case want:
		m.next[key]++
		m.accepted++
	case want - m.keys:
		m.repeated++
	default:
		m.t.Errorf("key %d: %d came where %d is next", key, number, want)
	}
}

// TestWebhookFaults proves that 10,000 events reach a receiver that fails three of ten requests: in order per
// key, with valid signatures, and with the conservation law.
func TestWebhookFaults(t *testing.T) {
	const total = 10_000
	verify, err := standardwebhooks.NewWebhook(webhookKey)
	if err != nil {
		t.Fatal(err)
	}
	m := &flakyReceiver{t: t, verify: verify, keys: 500, next: map[int]int{}, faults: map[string]int{}}
	receiver := httptest.NewServer(m)
	defer receiver.Close()
	g := startGateway(t, writeConfig(t, fmt.Sprintf(`
http: {listen: ":${PORT}"}
sources:
  made: {type: generate, rate: 0, count: %d, key: number %% %d}
sinks:
  shop:
    type: webhook
    url: %s
    allow: [127.0.0.1]
    secrets: [%s]
    ordering: key
    workers: 64
    timeout: 500ms
    retry: {initial: 5ms, max: 100ms}
routes:
  all: {from: [made], to: [shop]}
`, total, m.keys, receiver.URL, webhookKey)), nil)
	testenv.Eventually(t, 2*testenv.Wait, "all delivered", func() bool { return g.sink("shop").Delivered == total })
	st := g.sink("shop")
	g.stop()
	receiver.Close()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.accepted != total {
		t.Errorf("%d of %d were taken", m.accepted, total)
	}
	failed := 0
	for fault, n := range m.faults {
		if fault != "none" && fault != "trickled 200" {
			failed += n
		}
	}
	if len(m.faults) != 8 || failed < total/5 || st.Errors < uint64(failed) || st.DeadLettered != 0 || m.repeated == 0 {
		t.Errorf("faults %v, %d repeated: %+v", m.faults, m.repeated, st)
	}
	t.Logf("faults %v, %d repeated, breaker opened %d times", m.faults, m.repeated, st.Breaker.Opened)
}
