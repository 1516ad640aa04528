package websocket

import (
	"fmt"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

// TestSlowClientGetsCloseReason: a slow client that continues to read gets whole frames, and a close code with the reason.
func TestSlowClientGetsCloseReason(t *testing.T) {
	s, server := newSink(t, func(o *Options) { o.MaxLag.Events = 5000 }, httptest.NewServer)
	slow := dial(t, server, nil)
	awaitClients(t, s, 1)
	c := s.listClients()[0]
	payload := strings.Repeat("x", 2000)
	batch := slices.Repeat([]string{payload}, 500)
	for sent := 0; !c.closed(); sent += len(batch) {
		if sent > 100_000 {
			t.Fatal("the client is not disconnected")
		}
		s.write(t, batch...)
	}
	for {
		_, msg, err := slow.ReadMessage()
		if err == nil && string(msg) == payload {
			continue
		}
		if !websocket.IsCloseError(err, closeSlow) || !strings.Contains(err.Error(), "too slow: ") {
			t.Errorf("it ended with %q, %v; want close code 1013 and the reason", msg, err)
		}
		break
	}
	awaitClients(t, s, 0)
}

// TestEvictedClientReleasesLog: a client that never reads releases the log when it is evicted, not only when its
// connection ends.
func TestEvictedClientReleasesLog(t *testing.T) {
	s, server := newSink(t, func(o *Options) { o.MaxLag.Events, o.History.Events = 100, 0 }, httptest.NewServer)
	dial(t, server, nil)
	awaitClients(t, s, 1)
	c := s.listClients()[0]
	var at *chunk
	batch := slices.Repeat([]string{strings.Repeat("x", 60_000)}, 10)
	for !c.closed() {
		c.mu.Lock()
		at = c.readers[0].position.chunk
		c.mu.Unlock()
		s.write(t, batch...)
	}
	gone := make(chan struct{})
	runtime.AddCleanup(at, func(gone chan struct{}) { close(gone) }, gone)
	for {
		runtime.GC()
		select {
		case <-gone:
			return
		case <-c.done:
			t.Fatal("the log stays in memory until the connection ends")
		case <-time.After(time.Millisecond): // the cleanup runs soon after the collection
		}
	}
}

func (c *client) closed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reason == "slow"
}

// TestStuckClientsAreEvicted: one in ten clients stops reading. They are handled as configured within 5 s, the others get every
// message, and memory is that of the history and one log.
func TestStuckClientsAreEvicted(t *testing.T) {
	clients, messages := countFromEnv("STUCK_CLIENTS", 50), 20_000
	payload := strings.Repeat("x", 1000)
	for _, mode := range []string{slowDisconnect, slowDropOldest, slowConflate} {
		t.Run(mode, func(t *testing.T) {
			s, server := newSink(t, func(o *Options) {
				o.SlowClient, o.MaxLag = mode, Lag{Events: 2000, Bytes: 8 << 20}
				o.History.Events = 1000
			}, httptest.NewServer)
			var reading sync.WaitGroup
			var received atomic.Int64
			for i := range clients {
				conn := dial(t, server, nil)
				if i%10 == 0 {
					continue // stuck
				}
				reading.Go(func() {
					for n := range messages {
						if n%100 == 0 { // each 100 messages have time of their own
							conn.SetReadDeadline(time.Now().Add(testenv.Wait))
						}
						if _, _, err := conn.ReadMessage(); err != nil {
							t.Errorf("client %d after %d messages: %v", i, n, err)
							return
						}
						received.Add(1)
					}
				})
			}
			awaitClients(t, s, clients)
			before := heapBytes()
			var most uint64
			batch := make([]*event.Event, 100)
			for n := range messages / len(batch) {
				for i := range batch {
					batch[i] = &event.Event{Key: fmt.Sprint(i), Data: []byte(payload)}
				}
				s.send(t, batch...)
				for want := int64(100*n-500) * int64(clients-clients/10); received.Load() < want && !t.Failed(); { // wait for the clients that read: they are not slow
					time.Sleep(time.Millisecond)
				}
				if n%20 == 0 {
					most = max(most, heapBytes())
				}
			}
			reading.Wait()
			written := time.Now()
			if mode == slowDisconnect {
				awaitClients(t, s, clients-clients/10)
			}
			if took := time.Since(written); took > 5*time.Second {
				t.Errorf("the stuck clients disconnected after %v", took)
			}
			if mode != slowDisconnect && testutil.ToFloat64(s.metrics.skipped) == 0 {
				t.Error("no message was skipped")
			}
			const log = 16 << 20         // the lag of the slowest, the history, and garbage
			ends := int64(clients) << 16 // of this test's own ends of the connections
			if grown := int64(most) - int64(before); grown > 3*log+ends {
				t.Errorf("%d MiB more memory", grown>>20)
			}
			t.Logf("%d MiB more memory at most", (int64(most)-int64(before))>>20)
		})
	}
}

func heapBytes() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}

// TestGapsToSlowClientAreMerged: gap messages that wait for a client are merged, so that a slow client is not disconnected for
// them.
func TestGapsToSlowClientAreMerged(t *testing.T) {
	s, server := newSink(t, func(o *Options) { o.MaxLag.Events, o.MaxLag.Bytes = 1_000_000, 1<<30 }, httptest.NewServer)
	f := dialProtocol(t, server, nil)
	for range 16 { // more than the buffers of the connection hold
		s.write(t, strings.Repeat("x", 1<<20))
	}
	for range 10_000 {
		if err := s.Gap(t.Context(), plugin.Gap{Source: "in", Reason: "lost"}); err != nil {
			t.Fatal(err)
		}
	}
	s.write(t, "last")
	gaps := 0
	for _, msg := range f.until("last") {
		if msg == "gap" {
			gaps++
		}
	}
	if gaps == 0 || gaps > 100 || f.got[len(f.got)-1] != "last" {
		t.Errorf("%d gaps, then %d messages", gaps, len(f.got))
	}
}
