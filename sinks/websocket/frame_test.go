package websocket

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
)

// TestControlFramesBetweenFrames: pings during long writes get their pongs, and every message stays whole, also over
// TLS.
func TestControlFramesBetweenFrames(t *testing.T) {
	for name, start := range map[string]func(http.Handler) *httptest.Server{"plain": httptest.NewServer, "tls": httptest.NewTLSServer} {
		t.Run(name, func(t *testing.T) {
			const messages, pings = 2000, 200
			s, server := newSink(t, func(o *Options) { o.Ping = options.Duration(time.Millisecond * 100) }, start)
			conn := dial(t, server, nil)
			awaitClients(t, s, 1)
			pongs := make(chan string, pings)
			conn.SetPongHandler(func(text string) error { pongs <- text; return nil })
			var writers sync.WaitGroup
			writers.Go(func() {
				for i := range pings {
					if err := conn.WriteControl(websocket.PingMessage, []byte(fmt.Sprint(i)), time.Now().Add(testenv.Wait)); err != nil {
						t.Errorf("ping: %v", err)
					}
				}
			})
			writers.Go(func() {
				for i := range messages {
					s.write(t, fmt.Sprint(i, " ", strings.Repeat("x", 5000)))
				}
			})
			for i := range messages {
				if got, want := read(t, conn), fmt.Sprint(i, " ", strings.Repeat("x", 5000)); got != want {
					t.Fatalf("message %d is %.20q... with %d bytes", i, got, len(got))
				}
			}
			writers.Wait()
			go conn.NextReader() // pongs may follow the last message
			for i := range pings {
				select {
				case got := <-pongs:
					if got != fmt.Sprint(i) {
						t.Fatalf("pong %s, want %d", got, i)
					}
				case <-time.After(testenv.Wait):
					t.Fatalf("no pong %d", i)
				}
			}
		})
	}
}

// TestFrameSizes: messages of all sizes arrive whole, and frameSize agrees with appendFrame.
func TestFrameSizes(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	conn := dial(t, server, nil)
	awaitClients(t, s, 1)
	for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536, chunkSize - 10, chunkSize, chunkSize + 1, 1 << 20} {
		want := strings.Repeat("y", n)
		s.write(t, want)
		if got := read(t, conn); got != want {
			t.Errorf("%d bytes arrive as %d", n, len(got))
		}
		if frame := appendFrame(nil, opText, []byte(want)); len(frame) != frameSize(n) {
			t.Errorf("frameSize(%d) is %d, but the frame has %d", n, frameSize(n), len(frame))
		}
	}
}
