package main

import (
	"context"
	"encoding/json"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"eventgateway/gateway/testenv"
)

// published collects the ids of the orders that are published on orders_updates, in order.
type published struct {
	mu      sync.Mutex
	orders  []int
	numbers []int // _pub_id
	arrived chan struct{}
}

func collectPublished(t *testing.T) *published {
	p := &published{arrived: make(chan struct{}, 1)}
	sub := testenv.RedisClient(t).Subscribe(t.Context(), "orders_updates")
	if _, err := sub.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			msg, err := sub.ReceiveMessage(context.Background())
			if err != nil {
				return
			}
			var m struct {
				Order struct{ ID int }
				PubID int `json:"_pub_id"`
			}
			if err := json.Unmarshal([]byte(msg.Payload), &m); err != nil {
				t.Errorf("%s: %v", msg.Payload, err)
			}
			p.mu.Lock()
			p.orders, p.numbers = append(p.orders, m.Order.ID), append(p.numbers, m.PubID)
			p.mu.Unlock()
			select {
			case p.arrived <- struct{}{}:
			default:
			}
		}
	}()
	t.Cleanup(func() { sub.Close(); <-done })
	return p
}

// last returns the last order that was published, 0 for none.
func (p *published) last() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.orders) == 0 {
		return 0
	}
	return p.orders[len(p.orders)-1]
}

// await waits until an order from id on was published.
func (p *published) await(t *testing.T, id int, within time.Duration) {
	t.Helper()
	deadline := time.After(within)
	for p.last() < id {
		select {
		case <-p.arrived:
		case <-deadline:
			t.Fatalf("after %v the last order published is %d, want %d", within, p.last(), id)
		}
	}
}

// check fails where orders or numbers do not rise: an event was repeated, or two gateways
// published at the same time.
func (p *published) check(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := 1; i < len(p.orders); i++ {
		if p.orders[i] <= p.orders[i-1] || p.numbers[i] != p.numbers[i-1]+1 {
			t.Fatalf("order %d with number %d follows order %d with number %d", p.orders[i], p.numbers[i], p.orders[i-1], p.numbers[i-1])
		}
	}
}

// writer inserts orders, one after the other, until stop.
type writer struct {
	mu   sync.Mutex
	last int
}

func startWriter(t *testing.T) (w *writer, stop func()) {
	w = &writer{}
	db := testenv.OrdersTable(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			var id int
			if err := db.QueryRow(context.Background(), "INSERT INTO orders (customer_name) VALUES ('x') RETURNING id").Scan(&id); err != nil {
				t.Errorf("insert: %v", err)
				return
			}
			w.mu.Lock()
			w.last = id
			w.mu.Unlock()
		}
	}()
	var once sync.Once
	stop = func() { once.Do(func() { cancel(); <-done }) }
	t.Cleanup(stop)
	return w, stop
}

func (w *writer) committed() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// leader is the leadership of the source orders_db in /api/status.
type leader struct {
	State   string
	Gaps    int
	AtStart int
	Term    int64
}

func (p *program) leader() leader {
	p.t.Helper()
	_, body := p.get("/api/status")
	var status struct {
		Sources []struct {
			Name   string
			Gaps   int
			Start  int `json:"gaps_at_start"`
			Leader *struct {
				State string
				Term  int64
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &status); err != nil {
		p.t.Fatalf("%v: %s", err, body)
	}
	for _, s := range status.Sources {
		if s.Name == "orders_db" && s.Leader != nil {
			return leader{s.Leader.State, s.Gaps, s.Start, s.Leader.Term}
		}
	}
	p.t.Fatalf("no leader in %s", body)
	return leader{}
}

// TestTwoGatewaysPublishOnce proves that two gateways publish every order once. The standby replaces a
// killed leader within 2 s, and a frozen one within 15 s. After the thaw the former leader publishes
// nothing.
func TestTwoGatewaysPublishOnce(t *testing.T) {
	out := collectPublished(t)
	orders, stop := startWriter(t)
	begin := func() *program {
		p := startBinary(t, realServers(t), "-c", absolute(t, "gateway.yaml"))
		p.awaitReady()
		return p
	}
	first := begin()
	first.awaitLeading()
	second := begin()
	if a, b := first.leader(), second.leader(); a.State != "leader" || b.State != "standby" {
		t.Fatalf("states %+v and %+v", a, b)
	}
	from := orders.committed() + 1
	out.await(t, from+500, testenv.Wait)
	out.check(t)
	out.mu.Lock()
	if n := len(out.orders); out.orders[n-1]-out.orders[0] != n-1 {
		t.Errorf("%d orders of %d arrived", n, out.orders[n-1]-out.orders[0]+1)
	}
	out.mu.Unlock()

	killed := time.Now()
	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	first.exit(testenv.Wait)
	out.await(t, orders.committed()+1, 2*time.Second)
	t.Logf("takeover %v after the kill", time.Since(killed).Round(time.Millisecond))
	if s := second.leader(); s.State != "leader" || s.Gaps-s.AtStart != 1 {
		t.Errorf("the successor: %+v", s)
	}

	third := begin()
	frozen := time.Now()
	if err := second.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, 15*time.Second, "the standby leading", func() bool { return third.leader().State == "leader" })
	out.await(t, orders.committed()+1, time.Until(frozen.Add(15*time.Second)))
	t.Logf("takeover %v after the freeze", time.Since(frozen).Round(time.Millisecond))
	thawed := orders.committed()
	if err := second.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, testenv.Wait, "the former leader standing by", func() bool { return second.leader().State == "standby" })
	out.await(t, thawed+500, testenv.Wait)
	if s := third.leader(); s.State != "leader" {
		t.Errorf("the new leader: %+v", s)
	}
	stop()
	out.await(t, orders.committed(), testenv.Wait)
	out.check(t)
	if _, metrics := third.get("/metrics"); !containsLine(metrics, `gateway_leader{leader="orders_publisher",source="orders_db"} 1`) {
		t.Error("no metric shows the leader")
	}
	for _, p := range []*program{second, third} {
		p.cmd.Process.Signal(syscall.SIGTERM)
		if code := p.exit(testenv.Wait); code != 0 {
			t.Errorf("exit status %d of the one on port %s", code, strconv.Quote(p.port))
		}
	}
}
