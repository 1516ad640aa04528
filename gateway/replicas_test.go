package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/testenv"
)

// replicasConfig configures each of several gateways that send the entries of one stream to browsers.
const replicasConfig = `
http: {listen: ":${PORT}"}
sources:
  orders: {type: redis-stream, url: "${REDIS_URL}", stream: orders, name: "${NAME}"}
sinks:
  browsers:
    type: websocket
    auth: {tokens: {admin: admin-00000000000000000000000000000000%s}}
    authorize: customer == claims.sub || claims.sub == "admin"
    history: {from_source: 10m, events: 200000, bytes: 64MiB}
    max_lag: {events: 200000, bytes: 64MiB}
    farewell: 1s
routes:
  deliver: {from: [orders], to: [browsers]}
`

// replicaCustomers is the number of customers. Entry n is of the customer n modulo this number.
const replicaCustomers = 50

// TestReplicasRestart proves that clients go on at another gateway of the same stream: two gateways behind a balancer are restarted one after the
// other, by SIGTERM and by kill -9, under load. Each client gets each entry of its subscription once, in order, and resumes with
// recovered true each time. REPLICA_CLIENTS and REPLICA_ROUNDS set the size.
func TestReplicasRestart(t *testing.T) {
	clients, rounds := times("REPLICA_CLIENTS", 200), times("REPLICA_ROUNDS", 1)
	_, port := testenv.StartRedis(t)
	balancer := newBalancer(t)
	r := &replicas{t: t, balance: balancer.set, gateways: map[string]*program{}, config: filepath.Join(t.TempDir(), "gateway.yaml"), redis: fmt.Sprintf("127.0.0.1:%d", port)}
	r.client = redis.NewClient(&redis.Options{Addr: r.redis})
	defer r.client.Close()
	tokens := ""
	for c := range replicaCustomers {
		tokens += fmt.Sprintf(", c%d: %s", c, replicaToken(c))
	}
	writeFile(t, r.config, fmt.Sprintf(replicasConfig, tokens))
	r.write = r.add
	r.write(1, 100)
	r.start("")
	r.start("b")
	ctx, cancel := context.WithCancel(testenv.Context(t))
	defer cancel()
	all, done := make([]*replicaClient, clients), sync.WaitGroup{}
	for i := range all {
		all[i] = newReplicaClient(t, balancer.address, i)
		done.Go(func() { all[i].run(ctx) })
	}
	for _, c := range all {
		<-c.joined
	}
	last := r.load(func() {
		for range rounds {
			r.restart("", syscall.SIGTERM) // then all clients are at the other one
			r.restart("b", syscall.SIGKILL)
			r.restart("", syscall.SIGKILL)
			r.restart("b", syscall.SIGTERM)
		}
	})
	resumed := 0
	for _, c := range all {
		c.end.Store(int64(last))
		c.awaitEnd(ctx)
		resumed += int(c.resumed.Load())
	}
	cancel()
	done.Wait()
	for _, c := range all {
		if c.failure != "" {
			t.Errorf("client %d, %s: %s", c.number, c.query, c.failure)
		}
	}
	if resumed < clients*3*rounds {
		t.Errorf("only %d times a client has resumed", resumed)
	}
	t.Logf("%d clients, %d entries, %d times a client has resumed", clients, last, resumed)
	for name, p := range r.gateways {
		p.awaitMetric("gateway_conserved 1")
		p.cmd.Process.Signal(syscall.SIGTERM)
		if code := p.exit(testenv.Wait); code != 0 {
			t.Errorf("gateway %q: exit status %d", name, code)
		}
	}
}

func replicaToken(customer int) string { return fmt.Sprintf("token-of-customer-%014d", customer) }

// replicas are two gateways of one stream.
type replicas struct {
	t             *testing.T
	client        *redis.Client
	redis, config string
	database      string                     // URL; "": none
	ports         map[string]string          // of the gateways by name; nil: a new one at each start
	balance       func(name, address string) // tells the balancer where a gateway is; address "": it is about to stop
	write         func(first, last int)      // the entries from first to last
	gateways      map[string]*program
	last          atomic.Int64 // the last entry
}

func (r *replicas) start(name string) {
	env := map[string]string{"NAME": name, "REDIS_URL": "redis://" + r.redis, "DATABASE_URL": r.database}
	if r.ports != nil {
		env["PORT"] = r.ports[name]
	}
	p := startBinary(r.t, env, "-c", r.config)
	if r.ports != nil {
		p.port = r.ports[name]
	}
	p.awaitReady()
	r.gateways[name] = p
	r.balance(name, "127.0.0.1:"+p.port)
}

// restart ends a gateway by a signal, and starts another of its name.
func (r *replicas) restart(name string, signal os.Signal) {
	for begin := r.last.Load(); r.last.Load() < begin+300; { // under load
		time.Sleep(time.Millisecond)
	}
	p := r.gateways[name]
	if signal == syscall.SIGTERM {
		r.balance(name, "") // as by its readiness
	}
	p.cmd.Process.Signal(signal)
	code := p.exit(testenv.Wait)
	if signal == syscall.SIGTERM && code != 0 {
		r.t.Errorf("exit status %d after SIGTERM", code)
	}
	r.start(name)
}

// add appends the entries from first to last.
func (r *replicas) add(first, last int) {
	pipe := r.client.Pipeline()
	for n := first; n <= last; n++ {
		pipe.XAdd(r.t.Context(), &redis.XAddArgs{Stream: "orders", Values: []string{"data", fmt.Sprintf(`{"n":%d,"customer":"c%d"}`, n, n%replicaCustomers)}})
	}
	if _, err := pipe.Exec(r.t.Context()); err != nil {
		r.t.Error(err)
	}
}

// load appends some 1,000 entries a second while f runs, and returns the number of the last one.
func (r *replicas) load(f func()) (last int) {
	last = 100
	ended := make(chan struct{})
	go func() { defer close(ended); f() }()
	for {
		select {
		case <-ended:
			r.write(last+1, last+replicaCustomers)
			return last + replicaCustomers
		case <-time.After(10 * time.Millisecond):
			r.write(last+1, last+10)
			last += 10
			r.last.Store(int64(last))
		}
	}
}

// balancer passes TCP connections on to one of several servers, in turn.
type balancer struct {
	address string
	next    atomic.Uint64

	mu      sync.Mutex
	servers map[string]string
}

func newBalancer(t *testing.T) *balancer {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{address: l.Addr().String(), servers: map[string]string{}}
	var passing sync.WaitGroup
	t.Cleanup(func() { l.Close(); passing.Wait() })
	passing.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			passing.Go(func() { b.pass(conn) })
		}
	})
	return b
}

// set sets the address of a server; "" removes it.
func (b *balancer) set(name, address string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if address == "" {
		delete(b.servers, name)
	} else {
		b.servers[name] = address
	}
}

// pass connects to a server that accepts connections.
func (b *balancer) pass(conn net.Conn) {
	defer conn.Close()
	b.mu.Lock()
	var servers []string
	for _, address := range b.servers {
		servers = append(servers, address)
	}
	b.mu.Unlock()
	for range servers {
		to, err := net.Dial("tcp", servers[b.next.Add(1)%uint64(len(servers))])
		if err != nil {
			continue
		}
		defer to.Close()
		var both sync.WaitGroup
		both.Go(func() { copyUntilClosed(to, conn) })
		both.Go(func() { copyUntilClosed(conn, to) })
		both.Wait()
		return
	}
}

func copyUntilClosed(to, from net.Conn) {
	buf := make([]byte, 4<<10)
	for {
		n, err := from.Read(buf)
		if _, werr := to.Write(buf[:n]); werr != nil || err != nil {
			break
		}
	}
	to.Close()
	from.Close()
}
