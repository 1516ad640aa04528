package app

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/testenv"
)

const apiClientConfig = `
http: {listen: "%s", %s}
sources: {made: {type: generate, rate: 1}}
sinks: {browsers: {type: websocket}}
routes: {all: {from: [made], to: [browsers]}}
`

// awaitSinks waits until every sink is up; until then the health is not ok.
func (r *running) awaitSinks() {
	r.t.Helper()
	testenv.Eventually(r.t, testenv.Wait, "every sink is up", func() bool {
		for _, s := range r.router.Status().Sinks {
			if !s.Up {
				return false
			}
		}
		return true
	})
}

// TestCommandsReachEachListener proves that commands without --url find the gateway of the configuration, and its
// stored secret, on each kind of listener.
func TestCommandsReachEachListener(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1") // the secret must not go to a proxy
	files := testenv.MakeCertificates(t, "client")
	tls := fmt.Sprintf("tls: {cert: %q, key: %q}", files.ServerCert, files.ServerKey)
	for name, c := range map[string]struct{ listen, options, url string }{
		"no TLS":               {"127.0.0.1:A", "base_path: /x/", "http://127.0.0.1:A"},
		"TLS":                  {"127.0.0.1:A", tls, "https://127.0.0.1:A"},
		"TLS on all addresses": {":A", tls, "https://127.0.0.1:A"},
		"TLS of admin":         {"127.0.0.1:A", `admin: {listen: "127.0.0.1:B", ` + tls + `}`, "https://127.0.0.1:B"},
		"TLS except for admin": {"127.0.0.1:A", tls + `, admin: {listen: "127.0.0.1:B"}`, "http://127.0.0.1:B"},
		"socket":               {"unix:DIR/shared.sock", "socket_access: owner", "unix:DIR/shared.sock"},
		"socket with TLS":      {"unix:DIR/shared.sock", tls, "unix:DIR/shared.sock"},
		"socket of admin":      {"127.0.0.1:A", `admin: {listen: "unix:DIR/admin.sock"}`, "unix:DIR/admin.sock"},
		"socket and PROXY":     {"unix:DIR/shared.sock", "proxy_protocol: [127.0.0.1]", "unix:DIR/shared.sock"},
		"PROXY headers":        {"127.0.0.1:A", "proxy_protocol: [127.0.0.1], " + tls, "https://127.0.0.1:A"},
	} {
		fill := strings.NewReplacer(":A", fmt.Sprintf(":%d", testenv.FreePort(t)), ":B", fmt.Sprintf(":%d", testenv.FreePort(t)), "DIR", t.TempDir())
		file := writeConfig(t, fill.Replace(fmt.Sprintf(apiClientConfig, c.listen, c.options)))
		url := fill.Replace(c.url)
		if out, err := commandLine(t, nil, "status", "-c", file); err == nil || !strings.Contains(err.Error(), "no gateway runs at "+url) {
			t.Errorf("%s, before the start: %v: %s", name, err, out)
		}
		r := startGateway(t, file, nil)
		r.awaitSinks()
		if out, err := commandLine(t, nil, "status", "-c", file); err != nil || !strings.Contains(out, " at "+url+", up ") || !strings.Contains(out, "source made") {
			t.Errorf("%s: %v: %s", name, err, out)
		}
		r.stop()
	}
}

// TestCommandsSendNoSecretToAnotherCertificate proves that a server with another certificate than that of the
// configuration gets no secret, and that an expired certificate is accepted, and a reason of the health. Where each client needs a certificate, the
// error says so.
func TestCommandsSendNoSecretToAnotherCertificate(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	files := testenv.MakeCertificates(t, "client")
	port := testenv.FreePort(t)
	text := func(cert, key, more string) string {
		return fmt.Sprintf(apiClientConfig, fmt.Sprintf("127.0.0.1:%d", port), fmt.Sprintf("tls: {cert: %q, key: %q%s}", cert, key, more))
	}
	expiredCert, expiredKey := files.Server(t, time.Now().Add(-time.Hour))
	file := writeConfig(t, text(expiredCert, expiredKey, ""))
	startGateway(t, file, nil).awaitSinks()
	for _, c := range []struct{ text, want string }{
		{text(expiredCert, expiredKey, ""), ""},
		{text(files.ServerCert, files.ServerKey, ""), "its certificate is not that of http.tls.cert"},
		{text(expiredCert, expiredKey, fmt.Sprintf(", client_auth: required, client_ca: %q", files.CA)), "http.tls.client_auth is required: set http.admin.listen"},
	} {
		other := filepath.Join(t.TempDir(), "gateway.yaml")
		writeText(t, other, c.text)
		out, err := commandLine(t, nil, "dead-letters", "-c", other)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v: %s, want %q", err, out, c.want)
		}
	}
}

// TestCommandsShowNoSecretWithoutTLS proves that a program which listens in place of the gateway does not learn the secret, and
// that what it gets opens /api for a minute only.
func TestCommandsShowNoSecretWithoutTLS(t *testing.T) {
	const secret = "a secret of sixteen bytes"
	shown := make(chan string, 1)
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		shown <- r.Header.Get("Authorization")
		panic(http.ErrAbortHandler)
	}))
	defer thief.Close()
	address := strings.TrimPrefix(thief.URL, "http://")
	file := writeConfig(t, fmt.Sprintf(apiClientConfig, address, "admin: {token: "+secret+"}"))
	if out, err := commandLine(t, nil, "dead-letters", "-c", file); err == nil {
		t.Fatalf("the program answers: %s", out)
	}
	header := <-shown
	until, err := strconv.ParseInt(strings.TrimPrefix(strings.Split(header, ".")[0], "Bearer "), 10, 64)
	if strings.Contains(header, secret) || err != nil || time.Until(time.Unix(until, 0)) > time.Minute {
		t.Errorf("it gets %q", header)
	}
	r := startGateway(t, writeConfig(t, fmt.Sprintf(apiClientConfig, "127.0.0.1:${PORT}", "admin: {token: "+secret+"}")), nil)
	if code, body := r.getWithToken("/api/status", strings.TrimPrefix(header, "Bearer ")); code != 200 {
		t.Errorf("a gateway with the secret answers %d: %s", code, body)
	}
}
