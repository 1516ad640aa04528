package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/testenv"
)

// replicaClient is a client that resumes wherever it comes to, and checks what it gets.
type replicaClient struct {
	t       *testing.T
	number  int
	address string
	token   string
	path    string
	query   url.Values
	live    bool             // it may miss entries, if it is told
	repeats bool             // entries may come again
	is      func(n int) bool // its subscription

	epoch, offset string // as they came: opaque
	seen          uint64
	next          int // the entry that comes next, if it is one of the subscription; 0: not known
	failure       string

	joined  chan struct{} // closed when it is subscribed for the first time
	isIn    bool
	got     atomic.Int64 // the last entry
	end     atomic.Int64 // the last entry of all
	resumed atomic.Int64

	told, repeated, goodbyes, cuts int // gaps, entries that came again, and how its connections have ended; read when it has ended
}

// newReplicaClient returns a client with one of five kinds of subscriptions.
func newReplicaClient(t *testing.T, address string, number int) *replicaClient {
	customer := number % replicaCustomers
	c := &replicaClient{t: t, number: number, address: address, token: "admin-00000000000000000000000000000000", query: url.Values{}, joined: make(chan struct{})}
	switch {
	case number%100 == 0: // all: few, since each costs as much as fifty others
		c.is = func(int) bool { return true }
	case number%4 == 0: // an index finds it
		c.query.Set("filter", fmt.Sprintf("customer == 'c%d'", customer))
		c.is = func(n int) bool { return n%replicaCustomers == customer }
	case number%4 == 1: // evaluated for each event
		rest := number / 4 % 10
		c.query.Set("filter", fmt.Sprintf("n %% 40 == %d", rest))
		c.is = func(n int) bool { return n%40 == rest }
	default: // rights, and rights with a filter
		c.token = replicaToken(customer)
		c.is = func(n int) bool { return n%replicaCustomers == customer }
		if number%4 == 3 {
			c.query.Set("filter", "n % 3 == 0")
			c.is = func(n int) bool { return n%replicaCustomers == customer && n%3 == 0 }
		}
	}
	return c
}

// run connects again and again until ctx ends.
func (c *replicaClient) run(ctx context.Context) {
	for ctx.Err() == nil && c.failure == "" {
		q := url.Values{}
		for k, v := range c.query {
			q[k] = v
		}
		if c.epoch != "" {
			q.Set("epoch", c.epoch)
			q.Set("offset", c.offset)
			q.Set("seen", fmt.Sprint(c.seen))
		}
		d := websocket.Dialer{Subprotocols: []string{"eventgateway.v2"}}
		conn, resp, err := d.DialContext(ctx, "ws://"+c.address+"/"+c.path+"?"+q.Encode(), http.Header{"Authorization": {"Bearer " + c.token}})
		if err != nil {
			if resp != nil && resp.StatusCode < 500 {
				c.fail("refused: %s", resp.Status)
			}
			time.Sleep(20 * time.Millisecond)
			continue
		}
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		for err = nil; c.failure == "" && err == nil; {
			err = c.read(conn)
		}
		switch {
		case ctx.Err() != nil:
		case websocket.IsCloseError(err, websocket.CloseServiceRestart):
			c.goodbyes++
		default:
			c.cuts++
		}
		stop()
		conn.Close()
	}
}

func (c *replicaClient) fail(format string, args ...any) { c.failure = fmt.Sprintf(format, args...) }

// read handles a frame.
func (c *replicaClient) read(conn *websocket.Conn) error {
	kind, msg, err := conn.ReadMessage()
	if err != nil {
		return err
	}
	var m struct {
		Type, Epoch string
		Offset      json.RawMessage
		Seen        uint64
		Recovered   *bool
		N           int
	}
	if err := json.Unmarshal(msg, &m); err != nil {
		c.fail("the message %q: %v", msg, err)
		return err
	}
	offset := func() string {
		var text string
		if json.Unmarshal(m.Offset, &text) != nil {
			text = string(m.Offset)
		}
		return text
	}
	if kind == websocket.TextMessage || !utf8.Valid(msg) {
		c.seen++
		c.take(m.N)
		return nil
	}
	switch m.Type {
	case "subscribed":
		resumes := c.epoch != ""
		switch {
		case resumes && c.live && m.Recovered != nil && !*m.Recovered:
			c.told++
			c.next = 0
		case resumes && (m.Recovered == nil || !*m.Recovered):
			c.fail("not recovered from %s %s %d behind entry %d: %s", c.epoch, c.offset, c.seen, c.got.Load(), msg)
		case resumes:
			c.resumed.Add(1)
		}
		c.epoch, c.offset, c.seen = m.Epoch, offset(), m.Seen
		if !c.isIn {
			c.isIn = true
			close(c.joined)
		}
	case "position":
		c.offset, c.seen = offset(), 0
	case "gap":
		c.told++
		c.next = 0
		if !c.live {
			c.fail("a gap: %s", msg)
		}
	default:
		c.fail("a message %s", msg)
	}
	return nil
}

// take checks that entry n is the next one of the subscription.
func (c *replicaClient) take(n int) {
	if c.next > 0 {
		for !c.is(c.next) {
			c.next++
		}
		if n < c.next && c.repeats {
			c.repeated++
			return
		}
		if n != c.next {
			c.fail("entry %d comes, and %d is the next one", n, c.next)
		}
	} else if !c.is(n) {
		c.fail("entry %d is none of the subscription", n)
	}
	c.next = n + 1
	c.got.Store(int64(n))
}

// awaitEnd waits until the client has the last entry of its subscription.
func (c *replicaClient) awaitEnd(ctx context.Context) {
	last := c.end.Load()
	for last > 100 && !c.is(int(last)) {
		last--
	}
	for begin := time.Now(); c.got.Load() < last && ctx.Err() == nil; time.Sleep(time.Millisecond) {
		if time.Since(begin) > testenv.Wait {
			c.t.Errorf("client %d, %v: it has %d of %d; %s", c.number, c.query, c.got.Load(), last, c.failure)
			return
		}
	}
}
