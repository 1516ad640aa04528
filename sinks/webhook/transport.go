package webhook

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"time"

	"eventgateway/gateway/httpclient"
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
	var err error
	t.TLSClientConfig, err = o.TLS.config()
	return t, err
}

// config is what the files say.
func (o *TLS) config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CA.Path() != "" {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(o.CA.Text()) {
			return nil, &plugin.OptionError{Option: "tls.ca", Err: errors.New("holds no certificate in PEM")}
		}
	}
	if o.Cert.Path() != "" && o.Key.Path() != "" {
		pair, err := tls.X509KeyPair(o.Cert.Text(), o.Key.Text())
		if err != nil {
			return nil, &plugin.OptionError{Option: "tls.cert", Err: err}
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
