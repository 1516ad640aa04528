package websocket

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"eventgateway/gateway/options"
)

// newHTTP2Server starts a server whose clients speak HTTP/2.
func newHTTP2Server(h http.Handler) *httptest.Server {
	server := httptest.NewUnstartedServer(h)
	server.EnableHTTP2 = true
	server.StartTLS()
	return server
}

// TestStreamsOfOneConnectionAreIndependent proves that a client by HTTP/2 that does not read is disconnected after
// write_timeout, and that another one on the same connection gets all events.
func TestStreamsOfOneConnectionAreIndependent(t *testing.T) {
	s, server := newSink(t, func(o *Options) {
		o.WriteTimeout = options.Duration(time.Second)
		o.MaxLag = Lag{Events: 1_000_000, Bytes: 1 << 30}
	}, newHTTP2Server)
	stuck, reads := listen(t, server, "", ""), listen(t, server, "", "")
	for _, in := range []*eventSource{stuck, reads} {
		in.want("control", `{"type":"subscribed"`)
	}
	payload := strings.Repeat("x", 64<<10-100)
	const events = 200 // more than a stream may have unread
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for range events {
			s.write(t, payload)
		}
	}()
	for range events {
		reads.want("", payload)
	}
	<-sent
	awaitClients(t, s, 1)
	if n := testutil.ToFloat64(s.metrics.disconnects.WithLabelValues("stuck")); n != 1 {
		t.Errorf("%v clients were stuck", n)
	}
	s.write(t, "end")
	reads.want("", "end")
	if err := reads.stop(); err != nil {
		t.Error(err)
	}
	awaitClients(t, s, 0)
}
