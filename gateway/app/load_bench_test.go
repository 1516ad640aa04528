package app

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// firstNumber is the number of the first event of a run, so that all numbers have the same width.
const firstNumber = 10_000_000

// fewInFlight is how many events are in flight while latencies are measured.
const fewInFlight = 200

// eventReceiver receives the events of a path at one client.
type eventReceiver interface {
	// receive returns when it has the events up to number to. It calls each, which may be nil, for each event. It returns
	// an error where one is missing or out of order.
	receive(to int, each func(n int)) error
}

// load passes events, which are numbered from 0 on, from one end of a path to the other.
type load struct {
	send      func(from, to int) error
	receivers []eventReceiver // all get all events; the first one paces the sender
	chunk     int             // most events that are sent at once
	close     func()          // closes the connections of both ends
	sent      int
}

// passTime is the longest time of a pass. A pass that has lost its last events has no other end.
const passTime = 3 * time.Minute

// pass passes a number of events with at most window in flight. It returns the time that each took to the
// first receiver, where timed is set.
func (l *load) pass(b *testing.B, events, window int, timed bool) (took []time.Duration) {
	b.Helper()
	defer time.AfterFunc(passTime, l.close).Stop()
	first, to := l.sent, l.sent+events
	l.sent = to
	credits := make(chan int, events+1)
	step := max(window/8, 1)
	var at []time.Time
	if timed {
		at = make([]time.Time, events)
	}
	var receiving sync.WaitGroup
	for i, r := range l.receivers {
		receiving.Go(func() {
			var each func(int)
			if i == 0 {
				received := 0
				each = func(n int) {
					if timed {
						took = append(took, time.Since(at[n-first]))
					}
					if received++; received%step == 0 {
						credits <- step
					}
				}
			}
			if err := r.receive(to, each); err != nil {
				if !b.Failed() { // the first error is enough
					b.Errorf("client %d: %v", i, err)
				}
				if i == 0 {
					close(credits) // ends the sender
				}
			}
		})
	}
	for from, free := first, window; from < to; {
		for free == 0 {
			n, ok := <-credits
			if !ok {
				b.FailNow()
			}
			free += n
		}
		n := min(free, to-from, l.chunk)
		if timed {
			now := time.Now()
			for i := from; i < from+n; i++ {
				at[i-first] = now
			}
		}
		if err := l.send(from, from+n); err != nil {
			b.Fatal(err)
		}
		from, free = from+n, free-n
	}
	receiving.Wait()
	if b.Failed() {
		b.FailNow()
	}
	return took
}

// measure passes events with at most window in flight, and then others with few in flight.
func (l *load) measure(b *testing.B, events, window int) measurement {
	b.Helper()
	defer l.close()
	few := min(fewInFlight, window)
	l.pass(b, min(events, few), few, false) // connections and scripts are set up
	m := measure(b, events, func() { l.pass(b, events, window, false) })
	m.setLatency(l.pass(b, min(events, 20_000), few, true))
	return m
}

// appendNumbered appends the payload of event n, a JSON object of size bytes. numberAt is where its number begins.
func appendNumbered(dst []byte, n, size int) []byte {
	begin := len(dst)
	dst = append(strconv.AppendInt(append(dst, `{"n":`...), int64(firstNumber+n), 10), `,"p":"`...)
	for rest := size - (len(dst) - begin) - 2; rest > 0; rest -= min(rest, len(padding)) {
		dst = append(dst, padding[:min(rest, len(padding))]...)
	}
	return append(dst, `"}`...)
}

const numberAt = len(`{"n":`)

var padding = strings.Repeat("x", 4096)

// numberIn returns the number of an event from its payload, or from the beginning of that.
func numberIn(payload []byte, at int) (int, error) {
	if len(payload) < at+8 {
		return 0, fmt.Errorf("%.60q has no number", payload)
	}
	n := 0
	for _, c := range payload[at : at+8] {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("%.60q has no number", payload)
		}
		n = 10*n + int(c-'0')
	}
	return n - firstNumber, nil
}

// joinRequest is the request of a WebSocket client.
const joinRequest = "GET /?%s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// target is a server of WebSocket clients.
type target struct {
	port   string
	at     int                                  // where the number of an event begins in what a client gets
	hello  string                               // what a client sends first
	reader func(*webSocketReader) eventReceiver // nil: one event per frame
}

// connectClients connects WebSocket clients, each with its query, which read the first frame. Each checks the number of each event.
func (t target) connectClients(b *testing.B, count int, query func(client int) string) (clients []eventReceiver, disconnect func()) {
	b.Helper()
	clients = make([]eventReceiver, count)
	conns := make([]net.Conn, count)
	disconnect = func() {
		for _, c := range conns {
			if c != nil {
				c.Close()
			}
		}
	}
	var ready sync.WaitGroup
	limit := make(chan struct{}, 64)
	for i := range count {
		limit <- struct{}{}
		ready.Go(func() {
			defer func() { <-limit }()
			conn, err := net.Dial("tcp", "127.0.0.1:"+t.port)
			if err != nil {
				b.Error(err)
				return
			}
			conns[i] = conn
			size := 64 << 10
			if count > 100 {
				size = 16 << 10
			}
			r := bufio.NewReaderSize(conn, size)
			fmt.Fprintf(conn, joinRequest, query(i))
			_, err = http.ReadResponse(r, nil)
			if err == nil && t.hello != "" {
				_, err = conn.Write(append([]byte{0x81, 0x80 | byte(len(t.hello)), 0, 0, 0, 0}, t.hello...))
			}
			if err == nil {
				_, head, size, _ := frameHead(r) // Discard returns its error
				_, err = r.Discard(head + size)
			}
			if err != nil {
				b.Errorf("handshake: %v", err)
				return
			}
			reader := &webSocketReader{conn: conn, r: r, at: t.at}
			if clients[i] = reader; t.reader != nil {
				clients[i] = t.reader(reader)
			}
		})
	}
	ready.Wait()
	if b.Failed() {
		disconnect()
		b.FailNow()
	}
	return clients, disconnect
}

// webSocketReader checks the number of each event, and answers pings.
type webSocketReader struct {
	conn net.Conn
	r    *bufio.Reader
	at   int // where the number begins in a payload
	next int
}

func (c *webSocketReader) receive(to int, each func(int)) error {
	for c.next < to {
		kind, head, size, err := frameHead(c.r)
		if err != nil {
			return err
		}
		if kind == 0x89 {
			ping, err := c.r.Peek(head + size)
			if err != nil {
				return err
			}
			if _, err := c.conn.Write(append([]byte{0x8a, 0x80 | byte(size), 0, 0, 0, 0}, ping[head:]...)); err != nil {
				return err
			}
		} else {
			begin, err := c.r.Peek(head + c.at + 8)
			if err != nil {
				return err
			}
			if n, err := numberIn(begin[head:], c.at); err != nil || n != c.next {
				return fmt.Errorf("event %d comes instead of %d, %v", n, c.next, err)
			}
			if each != nil {
				each(c.next)
			}
			c.next++
		}
		if _, err := c.r.Discard(head + size); err != nil {
			return err
		}
	}
	return nil
}

// frameHead returns the first byte of a frame, and the sizes of its header and payload.
func frameHead(r *bufio.Reader) (kind byte, head, size int, err error) {
	b, err := r.Peek(2)
	if err != nil {
		return 0, 0, 0, err
	}
	switch size := int(b[1]); {
	case size < 126:
		return b[0], 2, size, nil
	case size == 126:
		if b, err = r.Peek(4); err != nil {
			return 0, 0, 0, err
		}
		return b[0], 4, int(binary.BigEndian.Uint16(b[2:])), nil
	}
	if b, err = r.Peek(10); err != nil {
		return 0, 0, 0, err
	}
	return b[0], 10, int(binary.BigEndian.Uint64(b[2:])), nil
}
