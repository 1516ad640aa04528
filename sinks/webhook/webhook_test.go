package webhook

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/httpclient"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// endpoint answers with status and passes requests on.
func endpoint(t *testing.T, status int, header http.Header) (url string, bodies chan string, headers chan http.Header) {
	bodies, headers = make(chan string, 100), make(chan http.Header, 100)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies <- string(body)
		headers <- r.Header
		for name, values := range header {
			w.Header()[name] = values
		}
		w.WriteHeader(status)
		io.WriteString(w, "because")
	}))
	t.Cleanup(s.Close)
	return s.URL, bodies, headers
}

func TestConformance(t *testing.T) {
	inbox := make(chan string, 1000)
	receiver := func(status int, header http.Header) func(any) {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			select {
			case inbox <- string(body):
			default: // no rule looks
			}
			maps.Copy(w.Header(), header)
			w.WriteHeader(status)
			io.WriteString(w, "because")
		}))
		t.Cleanup(s.Close)
		return func(o any) { o.(*Options).URL, o.(*Options).Allow = options.NewURL(s.URL), here }
	}
	plugintest.Sink(t, plugintest.SinkHarness{
		Type:      Type(),
		Reachable: receiver(200, nil), Rejecting: receiver(422, nil), Busy: receiver(503, http.Header{"Retry-After": {"7"}}),
		Unreachable: func(o any) {
			o.(*Options).URL, o.(*Options).Allow = options.NewURL("http://u:p@127.0.0.1:1"), here
		},
		Receive: func(testing.TB, plugin.Env) func() string {
			for len(inbox) > 0 { // of other rules
				<-inbox
			}
			return func() string { return <-inbox }
		},
	})
}

// here is this machine.
var here = []options.Network{options.NewNetwork("127.0.0.1"), options.NewNetwork("::1")}

// fill gives options what they lack.
func fill(o *Options) {
	d := Type().Defaults().(*Options)
	if o.Method.IsZero() {
		o.Method = d.Method
	}
	if o.CloudEvents == "" {
		o.CloudEvents = d.CloudEvents
	}
	if o.CESource.IsZero() {
		o.CESource = d.CESource
	}
}

// made makes a sink of options: what they lack is as by default, and this machine may be
// connected to.
func made(t testing.TB, o Options) plugin.Sink {
	t.Helper()
	fill(&o)
	if o.Allow == nil {
		o.Allow = here
	}
	s, err := Type().Build(&o, plugintest.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func send(t *testing.T, o Options, e *event.Event) error {
	t.Helper()
	s := made(t, o)
	defer s.(plugin.Closer).Close(t.Context())
	err := s.Write(t.Context(), []*event.Event{e})
	each, _ := plugin.Outcomes(err, 1)
	return each[0]
}

func TestHeaders(t *testing.T) {
	url, _, headers := endpoint(t, 200, nil)
	o := Options{URL: options.NewURL(url), Headers: options.Map[options.Secret]{{Key: "x-shop", Value: options.NewSecret("7")}}}
	e := &event.Event{Source: "db", Time: time.Now(), Data: []byte(`{}`)}
	var first, second, other http.Header
	for _, h := range []*http.Header{&first, &second} {
		if err := send(t, o, e); err != nil {
			t.Fatal(err)
		}
		*h = <-headers
	}
	if err := send(t, o, &event.Event{Source: "db", Time: e.Time, Data: []byte("text")}); err != nil {
		t.Fatal(err)
	}
	other = <-headers
	id := first.Get("Webhook-Id")
	if id == "" || second.Get("Webhook-Id") != id || other.Get("Webhook-Id") == id {
		t.Errorf("webhook-id: %s, on the second attempt %s, of another event %s", id, second.Get("Webhook-Id"), other.Get("Webhook-Id"))
	}
	if a, b := first.Get("Webhook-Attempt-Id"), second.Get("Webhook-Attempt-Id"); a == "" || a == b {
		t.Errorf("attempt ids %q and %q", a, b)
	}
	if first.Get("X-Shop") != "7" || first.Get("Content-Type") != "application/json" || other.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("headers %v and %v", first, other)
	}
	if err := send(t, o, &event.Event{ID: "own", Data: []byte("\xff")}); err != nil {
		t.Fatal(err)
	}
	if h := <-headers; h.Get("Webhook-Id") != "own" || h.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("headers %v", h)
	}
}

// TestClassify proves the error of each response.
func TestClassify(t *testing.T) {
	const secret = "s3cret"
	for _, tc := range []struct {
		status    int
		header    http.Header
		permanent bool // a dead letter
		event     bool // of this event; else of every one
		delay     time.Duration
	}{
		{status: 400, permanent: true, event: true}, {status: 422, permanent: true, event: true},
		{status: 302, permanent: true, event: true, header: http.Header{"Location": {"http://127.0.0.1:1/"}}},
		{status: 404, event: true}, {status: 401, event: true}, {status: 408, event: true},
		{status: 500, event: true}, {status: 502, event: true}, {status: 503, event: true, header: http.Header{"Retry-After": {"nonsense"}}},
		{status: 503, header: http.Header{"Retry-After": {"7"}}, delay: 7 * time.Second},
		{status: 429, header: http.Header{"Retry-After": {"7"}}, delay: 7 * time.Second}, {status: 429},
		{status: 410},
	} {
		url, _, _ := endpoint(t, tc.status, tc.header)
		s := made(t, Options{URL: options.NewURL(strings.Replace(url, "http://", "http://user:"+secret+"@", 1))})
		err := s.Write(t.Context(), []*event.Event{{Data: []byte("{}")}})
		each, single := plugin.Outcomes(err, 1)
		if single != tc.event {
			t.Errorf("%d: of this event only: %v", tc.status, !tc.event)
		}
		err = each[0]
		if err == nil || plugin.IsPermanent(err) != tc.permanent || plugin.RetryDelay(err) != tc.delay || plugin.IsDisabling(err) != (tc.status == 410) {
			t.Errorf("%d: %v, permanent %v, delay %v", tc.status, err, plugin.IsPermanent(err), plugin.RetryDelay(err))
		}
		if err != nil && (!strings.Contains(err.Error(), `"because"`) || strings.Contains(err.Error(), secret)) {
			t.Errorf("%d: the error says %v", tc.status, err)
		}
		s.(plugin.Closer).Close(t.Context())
	}
}

// TestReceiverThatRepeatsTheRequest proves that errors do not contain secrets of the request which the
// receiver repeats.
func TestReceiverThatRepeatsTheRequest(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(500)
		fmt.Fprintln(w, r.RequestURI, r.Header)
	}))
	defer s.Close()
	o := Options{
		URL:     options.NewURL(strings.Replace(s.URL, "http://", "http://user:passw0rd@", 1) + "/orders/a-token-in-the-path?q=token-in-query"),
		Headers: options.Map[options.Secret]{{Key: "X-Api", Value: options.NewSecret("Bearer header-token")}},
		Secrets: []options.Secret{options.NewSecret(testKey)},
	}
	err := send(t, o, &event.Event{ID: "7", Data: []byte("x")})
	if err == nil || !strings.Contains(err.Error(), "X-Api") || !strings.Contains(err.Error(), "/orders/***") {
		t.Fatal(err)
	}
	for _, secret := range []string{"passw0rd", "dXNlcjpwYXNzdzByZA", "a-token-in-the-path", "token-in-query", "header-token", "v1,"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%s shows in %v", secret, err)
		}
	}
}

// TestErrorTextsAreSanitized proves that texts of a receiver are short in errors, and printable.
func TestErrorTextsAreSanitized(t *testing.T) {
	for _, answer := range []string{"HTTP/1.1 500 " + strings.Repeat("A", 60_000) + "\r\n\r\n", strings.Repeat("junk\x1b[31m", 10_000), "HTTP/1.1 400 \x1b[31mred\r\nContent-Length: 0\r\n\r\n"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			buf := make([]byte, 4096)
			_, _ = conn.Read(buf)
			_, _ = conn.Write([]byte(answer))
			_, _ = conn.Read(buf)
		}()
		err = send(t, Options{URL: options.NewURL("http://" + l.Addr().String())}, &event.Event{})
		l.Close()
		if err == nil || len(err.Error()) > 2*httpclient.MaxExcerpt || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%.50q: an error of %d bytes", answer, len(fmt.Sprint(err)))
		}
	}
}
