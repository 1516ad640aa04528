package main

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/testenv"
)

// rollingConfig returns a configuration of gateways behind a load balancer.
func rollingConfig(delay string) string {
	return "shutdown_delay: " + delay + `
http: {listen: ":${PORT}"}
sources: {made: {type: generate, rate: 10}}
sinks: {browsers: {type: websocket, welcome: {type: welcome}}}
routes: {all: {from: [made], to: [browsers]}}
`
}

// TestRollingUpdateLosesNoRequest proves that a load balancer which checks /readyz every 100 ms loses no request while
// two gateways are replaced one after the other. A gateway serves until its shutdown_delay is over; only then are
// its clients disconnected.
func TestRollingUpdateLosesNoRequest(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	writeFile(t, file, rollingConfig("3s")) // long beside the interval of the checks
	b := &healthBalancer{t: t}
	start := func() *program {
		p := startBinary(t, nil, "-c", file)
		p.awaitReady()
		b.add(p)
		return p
	}
	gateways := []*program{start(), start()}
	stop := b.run(8)
	for _, p := range gateways {
		conn := dial(t, p)
		read(t, conn)
		signaled := time.Now()
		p.cmd.Process.Signal(syscall.SIGTERM)
		p.awaitLog("not ready any more")
		if status, body := p.get("/readyz"); status != http.StatusServiceUnavailable || body != "draining\n" {
			t.Errorf("/readyz answers %d %s", status, body)
		}
		if status, _ := p.get("/"); status != http.StatusOK {
			t.Errorf("the page answers %d during the delay", status)
		}
		var err error
		for err == nil {
			_, _, err = conn.ReadMessage()
		}
		if took := time.Since(signaled); !websocket.IsCloseError(err, websocket.CloseServiceRestart) || took < 3*time.Second {
			t.Errorf("a client ended with %v after %v", err, took)
		}
		if code := p.exit(testenv.Wait); code != 0 {
			t.Errorf("exit status %d", code)
		}
		start()
	}
	requests, failed := stop()
	if failed > 0 || requests < 100 {
		t.Errorf("%d of %d requests failed", failed, requests)
	}
	t.Logf("%d requests", requests)
}

// TestSecondSignalEndsShutdownDelay proves that a second SIGTERM ends a gateway that goes on for its shutdown_delay.
func TestSecondSignalEndsShutdownDelay(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	writeFile(t, file, rollingConfig("10m"))
	p := startBinary(t, nil, "-c", file)
	p.awaitReady()
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.awaitLog("another signal exits at once")
	p.cmd.Process.Signal(syscall.SIGTERM)
	if code := p.exit(testenv.Wait); code != 1 {
		t.Errorf("exit status %d, want 1", code)
	}
}

// healthBalancer sends requests in turn to the gateways whose /readyz has answered 200 last.
type healthBalancer struct {
	t *testing.T

	mu       sync.Mutex
	gateways []string // addresses
	ready    map[string]bool
}

func (b *healthBalancer) add(p *program) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.gateways = append(b.gateways, "127.0.0.1:"+p.port)
}

// check asks all gateways whether they are ready.
func (b *healthBalancer) check() {
	b.mu.Lock()
	all := append([]string{}, b.gateways...)
	b.mu.Unlock()
	ready := map[string]bool{}
	for _, address := range all {
		resp, err := http.Get("http://" + address + "/readyz")
		if err == nil {
			ready[address] = resp.StatusCode == http.StatusOK
			resp.Body.Close()
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ready = ready
}

// choose returns the address of a ready gateway, "" where there is none.
func (b *healthBalancer) choose(n int) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.gateways {
		if address := b.gateways[(i+n)%len(b.gateways)]; b.ready[address] {
			return address
		}
	}
	return ""
}

// run checks the gateways every 100 ms and sends requests concurrently, until stop is called. stop returns how
// many requests there were, and how many of them failed.
func (b *healthBalancer) run(concurrent int) (stop func() (requests, failed int64)) {
	b.check()
	ended := make(chan struct{})
	var all sync.WaitGroup
	var requests, failed atomic.Int64
	all.Go(func() {
		for {
			select {
			case <-ended:
				return
			case <-time.After(100 * time.Millisecond):
				b.check()
			}
		}
	})
	for n := range concurrent {
		all.Go(func() {
			for i := n; ; i++ {
				select {
				case <-ended:
					return
				case <-time.After(5 * time.Millisecond):
				}
				requests.Add(1)
				address := b.choose(i)
				if err := requestOnce(address, i%2 == 0); err != nil {
					failed.Add(1)
					b.t.Logf("%s: %v", address, err)
				}
			}
		})
	}
	return func() (int64, int64) {
		close(ended)
		all.Wait()
		http.DefaultClient.CloseIdleConnections()
		return requests.Load(), failed.Load()
	}
}

// requestOnce requests the page, or connects a WebSocket client until its welcome.
func requestOnce(address string, page bool) error {
	if page {
		resp, err := http.Get("http://" + address + "/")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("answered %s", resp.Status)
		}
		return nil
	}
	conn, _, err := websocket.DefaultDialer.Dial("ws://"+address+"/", nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, _, err = conn.ReadMessage()
	return err
}
