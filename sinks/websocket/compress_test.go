package websocket

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"eventgateway/gateway/event"
)

// compressiblePayloads returns payloads of all sizes and kinds.
func compressiblePayloads() (payloads []string) {
	r := rand.New(rand.NewPCG(1, 2))
	random := make([]byte, 5000)
	for i := range random {
		random[i] = byte(r.Uint32())
	}
	payloads = []string{"", "x", strings.Repeat("y", 255), strings.Repeat("y", 256), string(random), strings.Repeat("\xff\xfe", 3000), string(random[:300]) + strings.Repeat("z", 3000)}
	for i, n := range []int{150, 500, 2000, 20_000, chunkSize - 10, chunkSize, chunkSize + 1} {
		payloads = append(payloads, orderPayload(n, uint64(i)), strings.Repeat("k", n))
	}
	return append(payloads, strings.Repeat("large ", 16<<20/6), "the last")
}

// TestCompressedMessages: clients with and without compression get the same bytes, live and from the history.
func TestCompressedMessages(t *testing.T) {
	s, server := newSink(t, func(o *Options) { compressed(o); o.History.Bytes, o.MaxLag.Bytes = 64<<20, 128<<20 }, httptest.NewServer)
	conns := map[string]*websocket.Conn{"plain": dial(t, server, nil)}
	for i := range 3 {
		conns[fmt.Sprint("compressed ", i)] = dialCompressed(t, server, "")
	}
	conns["channel"] = dialCompressed(t, server, "channel=a", Protocol)
	read(t, conns["channel"]) // subscribed
	raw := dialRaw(t, server, "permessage-deflate")
	narrow := dialRaw(t, server, "permessage-deflate; server_max_window_bits=9")
	awaitClients(t, s, len(conns)+2)
	payloads := compressiblePayloads()
	var reading sync.WaitGroup
	for name, conn := range conns {
		reading.Go(func() {
			for i, want := range payloads {
				kind, got, err := conn.ReadMessage()
				if wantKind := map[bool]int{true: websocket.TextMessage, false: websocket.BinaryMessage}[strings.ToValidUTF8(want, "") == want]; err != nil || kind != wantKind || string(got) != want {
					t.Errorf("%s: message %d of %d bytes comes as kind %d with %d bytes: %v", name, i, len(want), kind, len(got), err)
					return
				}
			}
		})
	}
	reading.Go(func() {
		for i, want := range payloads {
			first, payload := raw.frame()
			if smaller := len(deflated(t, []byte(want))) < len(want); (first&rsv1 != 0) != (len(want) >= 256 && smaller) {
				t.Errorf("message %d of %d bytes has first byte %#x, and %d bytes", i, len(want), first, len(payload))
			}
		}
	})
	reading.Go(func() { // no distance in a message exceeds its length
		for i, want := range payloads {
			first, payload := narrow.frame()
			if first&rsv1 != 0 && len(want) > 512 || first&rsv1 == 0 && string(payload) != want {
				t.Errorf("with a window of 512 bytes, message %d of %d bytes has first byte %#x, and %d bytes", i, len(want), first, len(payload))
			}
		}
	})
	for _, p := range payloads {
		s.send(t, &event.Event{Channel: "a", Data: []byte(p)})
	}
	reading.Wait()
}

// TestEachFrameIsCompressedOnce: clients of the main log and of topics, which read at the same time, share compressed frames.
func TestEachFrameIsCompressedOnce(t *testing.T) {
	s, server := newSink(t, compressed, httptest.NewServer)
	const clients, messages = 24, 300
	var reading sync.WaitGroup
	var payloads []string
	input := 0
	for i := range messages {
		payloads = append(payloads, fmt.Sprintf(`{"n":%d,"c":%d,"text":"%s"}`, i, i%4, strings.Repeat("text ", 60+i%200)))
		input += len(payloads[i])
	}
	for i := range clients {
		query := url.Values{}
		var want []string
		for n, p := range payloads {
			if i%4 == 0 || i%4 == 1 && n%4 == i%3 || i%4 == 2 && n > 100 || i%4 == 3 && n%2 == 0 {
				want = append(want, p)
			}
		}
		switch i % 4 {
		case 1:
			query.Set("filter", fmt.Sprintf("c == %d", i%3))
		case 2:
			query.Set("filter", "n > 100")
		case 3:
			query.Set("channel", "even")
		}
		conn := dialCompressed(t, server, query.Encode())
		reading.Go(func() {
			for n, p := range want {
				if _, got, err := conn.ReadMessage(); err != nil || string(got) != p {
					t.Errorf("client %d: message %d is %.40q, want %.40q: %v", i, n, got, p, err)
					return
				}
			}
		})
	}
	awaitClients(t, s, clients)
	for i, p := range payloads {
		s.send(t, &event.Event{Channel: []string{"even", "odd"}[i%2], Data: []byte(p)})
	}
	reading.Wait()
	if got := testutil.ToFloat64(s.metrics.compressedInput); got != float64(input) {
		t.Errorf("%v bytes were compressed, want %d", got, input)
	}
	if in, out := testutil.ToFloat64(s.metrics.compressedInput), testutil.ToFloat64(s.metrics.compressedOutput); out >= in/2 || out == 0 {
		t.Errorf("%v bytes became %v", in, out)
	}
}

// TestNoClientNoCompression: without a client that gets compressed messages, nothing is compressed.
func TestNoClientNoCompression(t *testing.T) {
	s, server := newSink(t, compressed, httptest.NewServer)
	conn := dial(t, server, nil)
	awaitClients(t, s, 1)
	s.write(t, orderPayload(20_000, 1))
	read(t, conn)
	if got, held := testutil.ToFloat64(s.metrics.compressedInput), s.hub.main.log.compressed.Load(); got != 0 || held != 0 {
		t.Errorf("%v bytes were compressed, and %d are held", got, held)
	}
}

// TestCompressedFramesCountForTheHistory: compressed frames take a part of history.bytes, and leave memory with the history.
func TestCompressedFramesCountForTheHistory(t *testing.T) {
	const bound = 2 << 20
	s, server := newSink(t, func(o *Options) { compressed(o); o.History.Bytes = bound }, httptest.NewServer)
	conn := dialCompressed(t, server, "")
	awaitClients(t, s, 1)
	log := s.hub.main.log
	for i := range 300 {
		want := orderPayload(20_000, uint64(i))
		s.write(t, want)
		if got := read(t, conn); got != want {
			t.Fatalf("message %d comes as %d bytes", i, len(got))
		}
	}
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.hub.trim(s.hub.now())
	var held int64
	for c := log.head; c != nil; c = c.next.Load() {
		held += c.compressed.size()
	}
	frames := int64(log.bytes.Load() - log.head.bytes)
	if got := log.compressed.Load(); got != held || held == 0 {
		t.Errorf("%d bytes are counted, and %d held", got, held)
	}
	if total := frames + held; total > bound+2*chunkSize || total < bound/2 {
		t.Errorf("the history has %d bytes of frames and %d of compressed ones, the bound is %d", frames, held, bound)
	}
}

// TestCompressedResume: a client with compression resumes, also where others have compressed the frames before.
func TestCompressedResume(t *testing.T) {
	s, server := newSink(t, compressed, httptest.NewServer)
	for _, query := range []url.Values{{}, {"filter": {"n >= 0"}}, {"channel": {"orders"}}} {
		f := dialProtocol(t, server, query)
		f.until(string(send(t, s, 0)))
		f.conn.Close()
		var want []string
		for n := 1; n < 200; n++ {
			want = append(want, string(send(t, s, n)))
		}
		q := url.Values{"epoch": {f.epoch}, "offset": {fmt.Sprint(f.offset)}, "seen": {fmt.Sprint(f.seen)}}
		for name, values := range query {
			q[name] = values
		}
		for range 2 {
			conn := dialCompressed(t, server, q.Encode(), Protocol)
			if got := read(t, conn); !strings.Contains(got, `"recovered":true`) {
				t.Fatal(got)
			}
			var got []string
			for range want {
				got = append(got, read(t, conn))
			}
			if !slices.Equal(got, want) {
				t.Errorf("%v: got %d other messages", query, len(got))
			}
		}
	}
}

// send sends an event with about 700 bytes, and returns its payload.
func send(t *testing.T, s *sink, n int) []byte {
	e := &event.Event{Channel: "orders", Data: fmt.Appendf(nil, `{"n":%d,"text":"%s"}`, n, strings.Repeat("hello ", 100+n%7))}
	s.send(t, e)
	return e.Data
}

// TestSlowCompressedClient: a slow client with compression skips messages or is evicted as others; what it gets is whole.
func TestSlowCompressedClient(t *testing.T) {
	for _, mode := range []string{slowDisconnect, slowDropOldest, slowConflate} {
		t.Run(mode, func(t *testing.T) {
			s, server := newSink(t, func(o *Options) { compressed(o); o.SlowClient, o.MaxLag.Events, o.History.Events = mode, 200, 100 }, httptest.NewServer)
			conn := dialCompressed(t, server, "", Protocol)
			awaitClients(t, s, 1)
			c := s.listClients()[0]
			random := make([]byte, 30_000)
			for i := range random {
				random[i] = "0123456789abcdef"[rand.IntN(16)]
			}
			last, n := "", 0
			for ; !c.closed() && testutil.ToFloat64(s.metrics.skipped) == 0; n++ {
				last = fmt.Sprintf(`{"n":%d,"text":"%s"}`, n, random)
				s.send(t, &event.Event{Key: fmt.Sprint(n % 3), Data: []byte(last)})
			}
			s.write(t, "the end")
			for {
				_, got, err := conn.ReadMessage()
				switch {
				case err != nil:
					if mode != slowDisconnect || !websocket.IsCloseError(err, closeSlow) {
						t.Errorf("it ended with %v", err)
					}
					return
				case string(got) == "the end":
					return
				case bytes.HasPrefix(got, []byte(`{"n":`)) && !bytes.Contains(got, random):
					t.Fatalf("got %.80q with %d bytes", got, len(got))
				}
			}
		})
	}
}
