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

// protocolClient is a client of the protocol eventgateway.v2 that records events and gaps.
type protocolClient struct {
	t    testing.TB
	conn *websocket.Conn

	mu       sync.Mutex
	numbers  []int    // of {"order":{"id":N,...}}, or {"n":N}
	gaps     []string // reasons
	gapAfter []int    // the number of events before each gap
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
	subscribed, done := make(chan struct{}), make(chan struct{})
	go func() { defer close(done); c.read(subscribed) }()
	r.t.Cleanup(func() { conn.Close(); <-done })
	<-subscribed
	return c
}

// read records all messages until the connection ends. subscribed is closed when the client has a position
// in the log.
func (c *protocolClient) read(subscribed chan struct{}) {
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
			close(subscribed)
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

// first waits for the first event, which the caller has sent, and removes it and all before it from
// the record: the gap of the gateway's start may come before or after a client connects.
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
			numbers, gaps := c.received()
			c.t.Fatalf("not %s: %d numbers, gaps %q", what, len(numbers), gaps)
		}
	}
}

// received returns copies of the numbers and gaps that the client has received.
func (c *protocolClient) received() (numbers []int, gaps []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.numbers), slices.Clone(c.gaps)
}

// checkGaps checks that a gap was received wherever events from first on are missing. It returns the number of
// missing events.
func (c *protocolClient) checkGaps(first int) (missing int) {
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
				c.t.Errorf("%d events before %d are missing, without a gap: %q at %v", n-next, n, c.gaps, c.gapAfter)
			}
		}
		next = n + 1
	}
	return missing
}
