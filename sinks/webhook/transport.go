package webhook

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"time"

	"eventgateway/gateway/httpclient"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// Bounds of connections.
const (
	dialTimeout       = 10 * time.Second
	maxResponseHeader = 64 << 10
	pingAfter         = 15 * time.Second // of silence, on HTTP/2
	pingTimeout       = 5 * time.Second
)

// newTransport makes the connections of one endpoint; they are kept and used again, and
// HTTP/2 is spoken where the endpoint does.
func newTransport(o Options) (*http.Transport, error) {
	dialer := &net.Dialer{Timeout: dialTimeout, Control: httpclient.NewGuard(o.Allow).Control}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil                                   // the environment's proxy is for people, not for services
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, 1000 // as many as there may be workers
	t.MaxResponseHeaderBytes = maxResponseHeader
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout}
	if !o.Proxy.IsZero() {
		proxy, err := url.Parse(o.Proxy.Reveal())
		if err != nil {
			return nil, &plugin.OptionError{Option: "proxy", Err: errors.New("is not a URL")}
		}
		t.Proxy = http.ProxyURL(proxy)
		dialer.Control = nil // it was named by whoever has configured this
	}
	t.DialContext = dialer.DialContext
	var wrong string
	var err error
	if t.TLSClientConfig, wrong, err = o.TLS.Config(); err != nil {
		return nil, &plugin.OptionError{Option: options.Join("tls", wrong), Err: err}
	}
	return t, nil
}
