package websocket

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"runtime"
	"testing"
	"weak"

	"eventgateway/gateway/testenv"
)

// TestIdleClientKeepsNoOldEvents: a client whose filter matched long ago, and its topic, keep no event in memory that is
// older than the history.
func TestIdleClientKeepsNoOldEvents(t *testing.T) {
	s, server := newSink(t, func(o *Options) { o.History.Events = 100 }, httptest.NewServer)
	var clients []*protocolClient
	for _, filter := range []string{"n == 0", "n < 1"} { // with and without an index
		clients = append(clients, dialProtocol(t, server, url.Values{"filter": {filter}}))
	}
	s.send(t, order(0, "new"))
	for _, f := range clients {
		f.until(string(order(0, "new").Data))
	}
	s.hub.mu.Lock()
	block, chunk := weak.Make(s.hub.history.blocks[0]), weak.Make(s.hub.main.log.head)
	s.hub.mu.Unlock()
	for n := range 100 {
		s.send(t, orders(1+100*n, 100)...)
		s.hub.drainFeeders(t.Context())
	}
	left := func() (text string) {
		runtime.GC()
		if block.Value() != nil {
			text += " a block of the history"
		}
		if chunk.Value() != nil {
			text += " a chunk of the log"
		}
		return text
	}
	testenv.Eventually(t, testenv.Wait, "old events are collected", func() bool { return left() == "" }, func() string { return fmt.Sprint("left:", left()) })
	runtime.KeepAlive(s)
}
