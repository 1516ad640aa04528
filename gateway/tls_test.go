package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
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

const tlsConfig = `
http:
  listen: "127.0.0.1:${TLS_PORT}"
  tls: {cert: "${CERTS}/tls.crt", key: "${CERTS}/tls.key"}
  admin: {listen: "127.0.0.1:${PORT}"}
sources: {made: {type: generate, rate: 200}}
sinks: {browsers: {type: websocket, max_lag: {events: 1000000, bytes: 1GiB}}}
routes: {all: {from: [made], to: [browsers]}}
`

// mountedSecret is a folder as Kubernetes mounts a Secret: the files are links into ..data, a link that is switched to
// a new folder.
type mountedSecret struct {
	t   *testing.T
	dir string
	n   int
}

// put replaces the files.
func (m *mountedSecret) put(cert, key string) {
	m.t.Helper()
	m.n++
	data := filepath.Join(m.dir, fmt.Sprintf("..%d", m.n))
	mkdir(m.t, data)
	for name, from := range map[string]string{"tls.crt": cert, "tls.key": key} {
		text, err := os.ReadFile(from)
		if err != nil {
			m.t.Fatal(err)
		}
		writeFile(m.t, filepath.Join(data, name), string(text))
		if m.n == 1 {
			link(m.t, filepath.Join("..data", name), filepath.Join(m.dir, name))
		}
	}
	link(m.t, filepath.Base(data), filepath.Join(m.dir, "..data_tmp"))
	rename(m.t, filepath.Join(m.dir, "..data_tmp"), filepath.Join(m.dir, "..data"))
	if m.n > 1 {
		if err := os.RemoveAll(filepath.Join(m.dir, fmt.Sprintf("..%d", m.n-1))); err != nil {
			m.t.Fatal(err)
		}
	}
}

func link(t *testing.T, to, at string) {
	t.Helper()
	if err := os.Symlink(to, at); err != nil {
		t.Fatal(err)
	}
}

// serialOf returns the serial number of the certificate that a server shows in a new handshake.
func serialOf(t *testing.T, address string) *big.Int {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber
}

// serialIn returns the serial number of the certificate in a file.
func serialIn(t *testing.T, cert, key string) *big.Int {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf.SerialNumber
}

// TestSwappedCertificateDisconnectsNobody proves that certificates are loaded again when a mounted Secret changes, under load: 200
// WebSocket clients stay connected and get events, and a new handshake gets the new certificate. Files that do not fit
// together change nothing but the log, the metric and the status.
func TestSwappedCertificateDisconnectsNobody(t *testing.T) {
	const clients = 200
	certificates := testenv.MakeCertificates(t, "unused")
	mount := &mountedSecret{t: t, dir: t.TempDir()}
	mount.put(certificates.ServerCert, certificates.ServerKey)
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	writeFile(t, file, tlsConfig)
	port := strconv.Itoa(testenv.FreePort(t))
	p := startBinary(t, map[string]string{"TLS_PORT": port, "CERTS": mount.dir}, "-c", file)
	p.awaitReady()

	var disconnected atomic.Int32
	var stopping atomic.Bool
	var reading sync.WaitGroup
	received := make([]atomic.Uint64, clients)
	dialer := websocket.Dialer{HandshakeTimeout: testenv.Wait, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	for i := range clients {
		conn, _, err := dialer.Dial("wss://127.0.0.1:"+port+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		reading.Go(func() {
			for {
				if _, _, err := conn.ReadMessage(); err != nil {
					if !stopping.Load() {
						disconnected.Add(1)
					}
					return
				}
				received[i].Add(1)
			}
		})
	}
	all := func(what string) {
		t.Helper()
		before := make([]uint64, clients)
		for i := range received {
			before[i] = received[i].Load()
		}
		testenv.Eventually(t, testenv.Wait, "all clients get events "+what, func() bool {
			for i := range received {
				if received[i].Load() == before[i] {
					return false
				}
			}
			return true
		}, func() string { return fmt.Sprintf("%d disconnected", disconnected.Load()) })
	}
	all("at first")
	swap := func(cert, key string) {
		t.Helper()
		mount.put(cert, key)
		want := serialIn(t, cert, key)
		took := testenv.Eventually(t, testenv.Wait, "the new certificate", func() bool { return serialOf(t, "127.0.0.1:"+port).Cmp(want) == 0 }, p.stderr.String)
		t.Logf("swapped in %v", took)
	}
	for range 5 {
		swap(certificates.Server(t, time.Now().Add(time.Hour)))
	}
	all("after five swaps")
	running := serialOf(t, "127.0.0.1:"+port)
	mount.put(certificates.ServerCert, certificates.ClientKey)
	p.awaitMetric(`gateway_tls_certificate_last_load_successful{listener="shared"} 0`)
	if got := serialOf(t, "127.0.0.1:"+port); got.Cmp(running) != 0 {
		t.Error("files that do not fit together have changed the certificate")
	}
	if status := tlsStatus(t, p.port); len(status) != 1 || !strings.Contains(status[0].Error, "is not the key of the certificate") || status[0].NotAfter.Before(time.Now()) {
		t.Errorf("the status with a broken file: %+v", status)
	}
	p.awaitLog("certificate not loaded")
	awaitHealth(t, p, "degraded", "is not the key of the certificate")
	notAfter := time.Now().Add(30 * 24 * time.Hour).Truncate(time.Second)
	swap(certificates.Server(t, notAfter))
	p.awaitMetric(`gateway_tls_certificate_last_load_successful{listener="shared"} 1`)
	if status := tlsStatus(t, p.port); len(status) != 1 || status[0].Error != "" || !status[0].NotAfter.Equal(notAfter) {
		t.Errorf("the status: %+v, want %v", status, notAfter)
	}
	awaitHealth(t, p, "ok", "")
	all("at last")
	if n := disconnected.Load(); n != 0 {
		t.Errorf("%d of %d clients were disconnected", n, clients)
	}
	p.awaitMetric(fmt.Sprintf(`gateway_websocket_clients{sink="browsers"} %d`, clients))
	p.awaitMetric("gateway_conserved 1")
	if n := strings.Count(p.stderr.String(), "certificate not loaded"); n != 1 {
		t.Errorf("the broken file was logged %d times", n)
	}
	stopping.Store(true)
	stopProgram(t, p)
	reading.Wait()
}

type tlsListener struct {
	Listener string    `json:"listener"`
	NotAfter time.Time `json:"not_after"`
	Error    string    `json:"error"`
}

// tlsStatus returns the listeners with TLS in the status of a gateway whose admin listener is local.
func tlsStatus(t *testing.T, port string) []tlsListener {
	t.Helper()
	resp, err := http.Get("http://127.0.0.1:" + port + "/api/status")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var status struct{ Certificates []tlsListener }
	if err := json.Unmarshal(text, &status); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return status.Certificates
}
