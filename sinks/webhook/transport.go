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

// newTransport returns the transport of one endpoint. Connections are reused, and use HTTP/2 where
// the endpoint does.
func newTransport(o Options) (*http.Transport, error) {
	dialer := &net.Dialer{Timeout: dialTimeout, Control: httpclient.NewGuard(o.Allow).Control}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil                                   // not the environment's: only the option proxy counts
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, 1000 // as many as there may be workers
	t.MaxResponseHeaderBytes = maxResponseHeader
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout}
	if !o.Proxy.IsZero() {
		proxy, err := url.Parse(o.Proxy.Reveal())
		if err != nil {
			return nil, &plugin.OptionError{Option: "proxy", Err: errors.New("is not a URL")}
		}
		t.Proxy = http.ProxyURL(proxy)
		dialer.Control = nil // the proxy is configured, so it may be internal
	}
	t.DialContext = dialer.DialContext
	var option string
	var err error
	if t.TLSClientConfig, option, err = o.TLS.Config(); err != nil {
		return nil, &plugin.OptionError{Option: options.Join("tls", option), Err: err}
	}
	return t, nil
}
