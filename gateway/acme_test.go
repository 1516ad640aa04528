package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/testenv"
)

// acmeConfig configures a gateway whose shared listener gets its certificates from an authority. What follows is in acme.
const acmeConfig = `
http:
  listen: "127.0.0.1:${TLS_PORT}"
  admin: {listen: "127.0.0.1:${PORT}"}
  tls: {acme: {email: ops@shop.example, terms_agreed: true, directory: "${DIRECTORY}", ca: "${CA}", storage: "${STORAGE}", domains: [%s]%s}%s}
sources: {made: {type: generate, rate: 200}}
sinks: {browsers: {type: websocket, max_lag: {events: 1000000, bytes: 1GiB}}}
routes: {all: {from: [made], to: [browsers]}}
`

// acmeGateway is a gateway that gets its certificates from an authority.
type acmeGateway struct {
	*program
	file, tlsPort, storage string
	env                    map[string]string
}

// newACMEGateway returns a gateway that does not run yet, on a port of an authority.
func newACMEGateway(t *testing.T, tlsPort string, a *authority, config string) *acmeGateway {
	g := &acmeGateway{file: filepath.Join(t.TempDir(), "gateway.yaml"), tlsPort: tlsPort, storage: filepath.Join(t.TempDir(), "acme")}
	g.env = map[string]string{"TLS_PORT": tlsPort, "DIRECTORY": a.directory, "CA": a.ca.CA, "STORAGE": g.storage}
	writeFile(t, g.file, config)
	return g
}

// start starts gateway-full, and waits until it is ready.
func (g *acmeGateway) start(t *testing.T) {
	t.Helper()
	g.program = startCommand(t, g.env, exec.Command(fullBinary(t), "-c", g.file))
	g.awaitReady()
}

// TestACME proves that a gateway starts, and carries events, while the authority is away, and gets its certificate when that is
// back. It renews the certificate under load, and no client is disconnected. While the authority is away again it keeps
// the certificate, and says why. A new authority in its place, which does not know its account, issues the next one.
func TestACME(t *testing.T) {
	t.Parallel()
	const clients = 50
	port := strconv.Itoa(testenv.FreePort(t))
	a := newAuthority(t, authoritySettings{tlsPort: port, validity: 15 * time.Second})
	g := newACMEGateway(t, port, a, fmt.Sprintf(acmeConfig, "shop.example", "", ""))
	g.start(t)
	awaitHealth(t, g.program, "degraded", "no certificate for shop.example: ")
	g.awaitMetric(`gateway_tls_certificate_last_load_successful{listener="shared"} 0`)
	if _, metrics := g.get("/metrics"); strings.Contains(metrics, "gateway_tls_certificate_expiry_timestamp_seconds{") {
		t.Errorf("without a certificate: %s", metrics)
	}
	testenv.Eventually(t, testenv.Wait, "events without a certificate", func() bool {
		_, metrics := g.get("/metrics")
		return strings.Contains(metrics, `gateway_sink_delivered_total{sink="browsers"}`) && !containsLine(metrics, `gateway_sink_delivered_total{sink="browsers"} 0`)
	}, g.stderr.String)
	a.start()
	first := awaitCertificate(t, g.program, port, "shop.example", a.pool(), nil)
	awaitHealth(t, g.program, "ok", "")
	g.awaitMetric(`gateway_tls_certificate_last_load_successful{listener="shared"} 1`)

	var disconnected atomic.Int32
	var reading sync.WaitGroup
	stopping := make(chan struct{})
	dialer := websocket.Dialer{HandshakeTimeout: testenv.Wait, TLSClientConfig: &tls.Config{RootCAs: a.pool()}, NetDialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", "127.0.0.1:"+port)
	}}
	for range clients {
		conn, _, err := dialer.Dial("wss://shop.example/", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		reading.Go(func() {
			for {
				if _, _, err := conn.ReadMessage(); err != nil {
					select {
					case <-stopping:
					default:
						disconnected.Add(1)
						t.Errorf("a client ended with %v", err)
					}
					return
				}
			}
		})
	}
	second := awaitCertificate(t, g.program, port, "shop.example", a.pool(), first)
	awaitHealth(t, g.program, "ok", "")

	a.stop()
	g.awaitLog("certificate not obtained or renewed")
	awaitHealth(t, g.program, "degraded", "the certificate for shop.example was not renewed: ")
	g.awaitMetric(`gateway_tls_certificate_last_load_successful{listener="shared"} 0`)
	if got := certificateOf(t, port, "shop.example", nil); got == nil {
		t.Error("the old certificate does not stay")
	}
	awaitHealth(t, g.program, "degraded", "expired at ")
	a.start()
	awaitCertificate(t, g.program, port, "shop.example", a.pool(), second)
	awaitHealth(t, g.program, "ok", "")
	g.awaitMetric(fmt.Sprintf(`gateway_websocket_clients{sink="browsers"} %d`, clients))
	if n := disconnected.Load(); n != 0 {
		t.Errorf("%d of %d clients were disconnected", n, clients)
	}
	g.awaitMetric("gateway_conserved 1")
	close(stopping)
	stopProgram(t, g.program)
	reading.Wait()
}

// TestACMEReload proves what a reload and a restart do. A further name gets a certificate of its own. The health reports a name that
// the authority refuses, which changes nothing for the other names. After a restart the certificates are those of the folder, which
// only the user of the gateway can read, and which another gateway shares. A listener that requires certificates of clients gets its own, too.
func TestACMEReload(t *testing.T) {
	t.Parallel()
	port := strconv.Itoa(testenv.FreePort(t))
	a := newAuthority(t, authoritySettings{tlsPort: port, validity: time.Hour, blocked: []string{"blocked.example"}})
	a.start()
	required := fmt.Sprintf(`, client_ca: %q, client_auth: required`, a.ca.CA)
	g := newACMEGateway(t, port, a, fmt.Sprintf(acmeConfig, "shop.example", "", required))
	g.start(t)
	awaitHealth(t, g.program, "ok", "")
	one := g.stored(t, "shop.example")
	writeFile(t, g.file, fmt.Sprintf(acmeConfig, "shop.example, blocked.example, office.example", "", ""))
	awaitHealth(t, g.program, "degraded", "no certificate for blocked.example: ")
	awaitCertificate(t, g.program, port, "office.example", a.pool(), nil)
	if got := awaitCertificate(t, g.program, port, "shop.example", a.pool(), nil); string(got.Raw) != one {
		t.Error("the first certificate was replaced")
	}
	if got := awaitCertificate(t, g.program, port, "", nil, nil); string(got.Raw) != one {
		t.Error("a client that names no host gets another certificate than that of the first name")
	}
	g.awaitLog("is a forbidden domain") // the reason of the authority
	if n := strings.Count(g.stderr.String(), "certificate not obtained or renewed"); n != 1 {
		t.Errorf("a refused name was tried %d times at once", n)
	}
	writeFile(t, g.file, fmt.Sprintf(acmeConfig, "shop.example", "", ""))
	awaitHealth(t, g.program, "ok", "")
	if got := certificateOf(t, port, "office.example", nil); got == nil || string(got.Raw) != one {
		t.Error("a name that was removed has its certificate still")
	}
	stopProgram(t, g.program)
	a.stop()

	g.start(t)
	awaitHealth(t, g.program, "ok", "")
	if got := awaitCertificate(t, g.program, port, "shop.example", nil, nil); string(got.Raw) != one {
		t.Error("another certificate after a restart")
	}
	other := newACMEGateway(t, strconv.Itoa(testenv.FreePort(t)), a, fmt.Sprintf(acmeConfig, "shop.example", "", ""))
	other.env["STORAGE"] = g.storage
	other.start(t)
	if got := awaitCertificate(t, other.program, other.tlsPort, "shop.example", nil, nil); string(got.Raw) != one {
		t.Error("another certificate at a gateway with the same folder")
	}
	for _, p := range []*program{g.program, other.program} {
		stopProgram(t, p)
	}
}

// stored returns the certificate of a name in the folder, and checks who may read the folder.
func (g *acmeGateway) stored(t *testing.T, name string) string {
	t.Helper()
	keys := 0
	err := filepath.WalkDir(g.storage, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %v", path, info.Mode())
		}
		if filepath.Ext(path) == ".key" {
			keys++
		}
		return err
	})
	if err != nil || keys != 2 { // of the account, and of the certificate
		t.Fatalf("%d keys are stored: %v", keys, err)
	}
	files, err := filepath.Glob(filepath.Join(g.storage, "certificates", "*", name, "*.crt"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v %v", files, err)
	}
	pair, err := tls.LoadX509KeyPair(files[0], strings.TrimSuffix(files[0], ".crt")+".key")
	if err != nil {
		t.Fatal(err)
	}
	return string(pair.Leaf.Raw)
}

// TestACMEByHTTP proves that a certificate is obtained by the challenge http-01, where the authority cannot reach the listener, and with an
// account that the authority has given out. Its key does not show. Commands find the gateway by the certificate in the folder.
func TestACMEByHTTP(t *testing.T) {
	t.Parallel()
	const key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
	port, httpPort, nothing := strconv.Itoa(testenv.FreePort(t)), strconv.Itoa(testenv.FreePort(t)), strconv.Itoa(testenv.FreePort(t))
	a := newAuthority(t, authoritySettings{tlsPort: nothing, httpPort: httpPort, validity: time.Hour, accounts: map[string]string{"kid-1": key}})
	a.start()
	more := ", http_port: " + httpPort + `, external_account: {key_id: kid-1, key: "${KEY}"}`
	g := newACMEGateway(t, port, a, strings.Replace(fmt.Sprintf(acmeConfig, "shop.example", more, ""), `  admin: {listen: "127.0.0.1:${PORT}"}`, "", 1))
	g.env["KEY"] = key
	g.program = startCommand(t, g.env, exec.Command(fullBinary(t), "-c", g.file, "--log-level", "debug"))
	awaitCertificate(t, g.program, port, "shop.example", a.pool(), nil)
	g.awaitLog("certificate loaded")
	if strings.Contains(g.stderr.String(), key[:12]) {
		t.Error("the log shows the key of the account")
	}
	status := exec.Command(fullBinary(t), "status", "-c", g.file)
	status.Env = append(g.cmd.Env, "PORT="+g.port)
	status.Dir = g.cmd.Dir
	out, err := status.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "browsers") {
		t.Errorf("gateway status: %v: %s", err, out)
	}
	if err := os.RemoveAll(g.storage); err != nil {
		t.Fatal(err)
	}
	status = exec.Command(fullBinary(t), "status", "-c", g.file)
	status.Env, status.Dir = g.cmd.Env, g.cmd.Dir
	if out, err := status.CombinedOutput(); err == nil || !strings.Contains(string(out), "its certificate is not in "+g.storage) {
		t.Errorf("gateway status trusts another certificate: %v: %s", err, out)
	}
	stopProgram(t, g.program)
}

// TestLightGatewayRefusesACME proves that the program without ACME says which program has it.
func TestLightGatewayRefusesACME(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	writeFile(t, file, strings.NewReplacer("${DIRECTORY}", "https://authority.example/", `ca: "${CA}", `, "", "${STORAGE}", "/nowhere").Replace(fmt.Sprintf(acmeConfig, "shop.example", "", "")))
	for name, path := range map[string]func() (string, error){"gateway": binary, "gateway-full": full} {
		program, err := path()
		if err != nil {
			t.Fatal(err)
		}
		p := startCommand(t, map[string]string{"TLS_PORT": "8443"}, exec.Command(program, "check", file))
		code := p.exit(testenv.Wait)
		refused := strings.Contains(p.stderr.String(), file+":5:9: http.tls.acme: this binary has no ACME: use gateway-full")
		if light := name == "gateway"; refused != light || (code != 0) != light {
			t.Errorf("%s check: exit status %d: %s", name, code, p.stderr.String())
		}
	}
}
