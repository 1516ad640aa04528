package app

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/testenv"
)

// protocolClient is a client of the protocol that notes what it gets.
type protocolClient struct {
	t    testing.TB
	conn *websocket.Conn

	mu       sync.Mutex
	numbers  []int    // of {"order":{"id":N,...}}, or {"n":N}
	gaps     []string // reasons
	gapAfter []int    // how many numbers came before each
	changed  chan struct{}
}

func (r *running) connectProtocol() *protocolClient {
	r.t.Helper()
	dialer := websocket.Dialer{Subprotocols: []string{gapProtocol}}
	conn, _, err := dialer.Dial("ws://127.0.0.1:"+r.port+"/", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	c := &protocolClient{t: r.t, conn: conn, changed: make(chan struct{}, 1)}
	greeted, done := make(chan struct{}), make(chan struct{})
	go func() { defer close(done); c.read(greeted) }()
	r.t.Cleanup(func() { conn.Close(); <-done })
	<-greeted
	return c
}

// read notes everything until the connection ends; greeted is closed at the place of the
// client in the log.
func (c *protocolClient) read(greeted chan struct{}) {
	for {
		kind, data, err := c.conn.ReadMessage()
		if err != nil {
			return
		}
		var m struct {
			Type, Reason string
			N            int
			Order        struct{ ID int }
		}
		if err := json.Unmarshal(data, &m); err != nil {
			c.t.Errorf("%s: %v", data, err)
		}
		c.mu.Lock()
		switch {
		case kind == websocket.TextMessage:
			c.numbers = append(c.numbers, m.N+m.Order.ID)
		case m.Type == "subscribed":
			close(greeted)
		case m.Type == "gap":
			c.gaps, c.gapAfter = append(c.gaps, m.Reason), append(c.gapAfter, len(c.numbers))
		}
		c.mu.Unlock()
		select {
		case c.changed <- struct{}{}:
		default:
		}
	}
}

// await waits until the client has the event with a number.
func (c *protocolClient) await(number int) {
	c.t.Helper()
	c.until(fmt.Sprint("number ", number), func() bool {
		return len(c.numbers) > 0 && c.numbers[len(c.numbers)-1] >= number
	})
}

// first waits for the first event, which the caller has sent, and forgets it and all before it:
// the gap of the gateway's start may be told before or after a client connects.
func (c *protocolClient) first() {
	c.t.Helper()
	c.until("the first event", func() bool { return len(c.numbers) > 0 })
	c.mu.Lock()
	defer c.mu.Unlock()
	c.numbers, c.gaps, c.gapAfter = nil, nil, nil
}

func (c *protocolClient) until(what string, holds func() bool) {
	c.t.Helper()
	timeout := time.After(testenv.Wait)
	for {
		c.mu.Lock()
		ok := holds()
		c.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-c.changed:
		case <-timeout:
			numbers, gaps := c.has()
			c.t.Fatalf("not %s: %d numbers, gaps %q", what, len(numbers), gaps)
		}
	}
}

// has returns copies of the numbers and gaps that the client has got.
func (c *protocolClient) has() (numbers []int, gaps []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.numbers), slices.Clone(c.gaps)
}

// told checks that each event from first on is there, or a gap stands between those around
// it. It returns how many are missing.
func (c *protocolClient) told(first int) (missing int) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	next := first
	for i, n := range c.numbers {
		if n < first {
			continue
		}
		if n > next {
			missing += n - next
			announced := false
			for _, at := range c.gapAfter {
				announced = announced || at <= i && (i == 0 || at >= i-512) // with the batch around it
			}
			if !announced {
				c.t.Errorf("%d events before %d are missing, and no gap says so: %q at %v", n-next, n, c.gaps, c.gapAfter)
			}
		}
		next = n + 1
	}
	return missing
}
