package websocket

import (
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"
	"weak"

	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
)

// TestStuckCompressedClientKeepsNoOldLog: the socket of a client with compression is stuck in a control frame, before frames of
// a log. The client skips what it cannot receive, and keeps nothing of the log in memory behind these frames.
func TestStuckCompressedClientKeepsNoOldLog(t *testing.T) {
	s, server := newSink(t, func(o *Options) {
		compressed(o)
		o.SlowClient, o.History.Events, o.History.Bytes, o.WriteTimeout = slowDropOldest, 100, 1<<20, options.Duration(time.Hour)
	}, httptest.NewServer)
	conn := dialCompressed(t, server, url.Values{"filter": {"n >= 0"}}.Encode(), Protocol)
	defer conn.Close()
	awaitClients(t, s, 1)
	c := s.listClients()[0]
	text := strings.Repeat("p", 60_000)
	c.mu.Lock() // until the control frames and a message are there: both are taken for one write
	random := make([]byte, 16<<20)
	for i := range random {
		random[i] = byte('a' + rand.IntN(26))
	}
	c.controls = append(c.controls, controlFrame(fmt.Appendf(nil, `{"type":"x","text":"%s"}`, random))...) // beyond the buffers of the socket
	r := c.readers[0]
	c.mu.Unlock()
	s.write(t, fmt.Sprintf(`{"n":0,"text":"%s"}`, text))
	testenv.Eventually(t, testenv.Wait, "the frames are taken", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return r.inWrite && len(c.controls) == 0
	}, func() string { return "" })
	s.write(t, fmt.Sprintf(`{"n":1,"text":"%s"}`, text))
	s.hub.drainFeeders(t.Context())
	topicChunk := weak.Make(r.topic.own.tail)
	for n := range 300 {
		s.write(t, fmt.Sprintf(`{"n":%d,"text":"%s"}`, n+2, text))
		s.hub.drainFeeders(t.Context())
		s.hub.skipToEnd(r, false)
	}
	left := func() bool { runtime.GC(); return topicChunk.Value() != nil }
	testenv.Eventually(t, testenv.Wait, "the skipped log is collected", func() bool { return !left() }, func() string { return "kept by the client" })
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.skip == nil || r.skip.messages < 290 {
		t.Errorf("it is not stuck: %+v", r.skip)
	}
	runtime.KeepAlive(s)
}
