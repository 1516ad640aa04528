package websocket

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"
)

// benchClients are the clients of a benchmark. They are in a process of their own, so that the processor time, the memory and
// the file descriptors of this process are those of the gateway alone.
type benchClients struct {
	b       *testing.B
	process *exec.Cmd
	to      *json.Encoder
	from    *json.Decoder
}

// joinOrder tells the clients where to connect, and joinReport how long that took.
type (
	joinOrder  struct{ Address, Requests []string }
	joinReport struct{ Joined, P99 time.Duration }
)

// receiveReport is the number of bytes that the clients got beside those that they expect.
type receiveReport struct{ Missing, Unexpected int }

// startClients connects clients, each with the begin of a request.
func startClients(b *testing.B, address string, requests []string) (c *benchClients, report joinReport) {
	c = &benchClients{b: b, process: exec.Command(os.Args[0], "-test.run", "^TestBenchClients$")}
	c.process.Env, c.process.Stderr = append(os.Environ(), "BENCH_CLIENTS=1"), os.Stderr
	in, err := c.process.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := c.process.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := c.process.Start(); err != nil {
		b.Fatal(err)
	}
	c.to, c.from = json.NewEncoder(in), json.NewDecoder(out)
	c.ask(joinOrder{[]string{address}, requests}, &report)
	return c, report
}

// ask sends an order to the clients, and waits for their answer.
func (c *benchClients) ask(order, answer any) {
	if err := c.to.Encode(order); err != nil {
		c.b.Fatal(err)
	}
	if err := c.from.Decode(answer); err != nil {
		c.b.Fatal(err)
	}
}

// expect tells the clients how many bytes each of them gets.
func (c *benchClients) expect(sizes []int) {
	var ready bool
	c.ask(sizes, &ready)
}

// received waits until each client has all bytes.
func (c *benchClients) received() {
	var done bool
	if err := c.from.Decode(&done); err != nil {
		c.b.Fatal(err)
	}
}

// close checks that each client got exactly the bytes that it expects, and disconnects them.
func (c *benchClients) close() {
	var report receiveReport
	c.ask(true, &report)
	if report != (receiveReport{}) {
		c.b.Errorf("%+v bytes", report)
	}
	_ = c.process.Wait()
}

// TestBenchClients is the process of the clients of a benchmark. It tests nothing.
func TestBenchClients(t *testing.T) {
	if os.Getenv("BENCH_CLIENTS") == "" {
		t.Skip("a benchmark starts it")
	}
	from, to := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	var order joinOrder
	decode := func(v any) {
		if err := from.Decode(v); err != nil {
			t.Fatal(err)
		}
	}
	answer := func(v any) {
		if err := to.Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	decode(&order)
	conns, took := make([]net.Conn, len(order.Requests)), make([]time.Duration, len(order.Requests))
	begin := time.Now()
	each(joinsAtOnce, len(conns), func(n int) {
		started := time.Now()
		conns[n] = upgrade(t, order.Address[0], order.Requests[n])
		took[n] = time.Since(started)
	})
	joined := time.Since(begin)
	slices.Sort(took)
	answer(joinReport{joined, took[len(took)*99/100]})
	var sizes []int
	decode(&sizes)
	var report receiveReport
	var mu sync.Mutex
	answer(true)
	each(len(conns), len(conns), func(n int) {
		if got, err := io.CopyN(io.Discard, conns[n], int64(sizes[n])); err != nil {
			mu.Lock()
			report.Missing += sizes[n] - int(got)
			mu.Unlock()
		}
	})
	answer(true)
	var end bool
	decode(&end)
	each(len(conns), len(conns), func(n int) {
		_ = conns[n].SetReadDeadline(time.Now().Add(time.Second))
		more, _ := conns[n].Read(make([]byte, 1))
		mu.Lock()
		report.Unexpected += more
		mu.Unlock()
		conns[n].Close()
	})
	answer(report)
}

// each calls a function for each number below n, some at once.
func each(atOnce, n int, call func(int)) {
	var all sync.WaitGroup
	for i := range atOnce {
		all.Go(func() {
			for k := i; k < n; k += atOnce {
				call(k)
			}
		})
	}
	all.Wait()
}

// upgrade connects to a WebSocket server with the begin of a request.
func upgrade(t testing.TB, address, request string) net.Conn {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return nil
	}
	fmt.Fprint(conn, request, "Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReaderSize(conn, 16), nil) // reads nothing beyond the answer: the server waits
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Error(resp, err)
	}
	return conn
}
