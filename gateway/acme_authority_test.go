package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"eventgateway/gateway/testenv"
)

// pebble builds the authority and its DNS server once, and returns their folder.
var pebble = sync.OnceValues(func() (string, error) {
	to, err := built()
	if err != nil {
		return "", err
	}
	const at = "github.com/letsencrypt/pebble/v2/cmd/"
	cmd := exec.Command("go", "build", "-modfile=.ci/tools.mod", "-o", to+"/", at+"pebble", at+"pebble-challtestsrv")
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", &buildError{string(out)}
	}
	return to, nil
})

// authority is a server of ACME, for which every name has the address 127.0.0.1.
type authority struct {
	t         *testing.T
	programs  string
	config    string // file
	dns       string // address
	roots     string // URL of its root certificate
	ca        testenv.Certificates
	cmd       *exec.Cmd
	log       *testenv.Log
	directory string
}

// authoritySettings are the settings of an authority.
type authoritySettings struct {
	tlsPort, httpPort string // of the gateway
	validity          time.Duration
	blocked           []string
	accounts          map[string]string // keys by identifier; nil: accounts need none
}

// newAuthority returns an authority that does not run yet.
func newAuthority(t *testing.T, o authoritySettings) *authority {
	t.Helper()
	programs, err := pebble()
	if err != nil {
		t.Fatal(err)
	}
	local := func() string { return "127.0.0.1:" + strconv.Itoa(testenv.FreePort(t)) }
	listen, management := local(), local()
	a := &authority{t: t, programs: programs, config: filepath.Join(t.TempDir(), "pebble.json"), dns: local(), roots: "https://" + management + "/roots/0", ca: testenv.MakeCertificates(t, "unused")}
	a.directory = "https://" + listen + "/dir"
	number := func(text string) int {
		n, _ := strconv.Atoi(text)
		return n
	}
	text, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": listen, "managementListenAddress": management, "certificate": a.ca.ServerCert, "privateKey": a.ca.ServerKey,
		"httpPort": number(o.httpPort), "tlsPort": number(o.tlsPort), "domainBlocklist": o.blocked, "keyAlgorithm": "ecdsa",
		"externalAccountBindingRequired": o.accounts != nil, "externalAccountMACKeys": o.accounts,
		"retryAfter": map[string]any{"authz": 1, "order": 1},
		"profiles":   map[string]any{"default": map[string]any{"description": "short", "validityPeriod": int(o.validity.Seconds())}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, a.config, string(text))
	a.run("pebble-challtestsrv", "-dnsserver", a.dns, "-management", local(), "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "")
	return a
}

// run starts a program of pebble, which ends with the test.
func (a *authority) run(name string, args ...string) (*exec.Cmd, *testenv.Log) {
	a.t.Helper()
	log := &testenv.Log{}
	cmd := exec.Command(filepath.Join(a.programs, name), args...)
	cmd.Env = []string{"PEBBLE_VA_NOSLEEP=1"}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		if a.t.Failed() {
			a.t.Logf("%s:\n%s", name, log.String())
		}
	})
	return cmd, log
}

// start starts the authority. Each time it is a new one: with another root, and without accounts.
func (a *authority) start() {
	a.t.Helper()
	a.cmd, a.log = a.run("pebble", "-config", a.config, "-dnsserver", a.dns)
	testenv.Eventually(a.t, testenv.Wait, "an authority", func() bool { _, err := a.get(a.roots); return err == nil }, a.log.String)
}

// stop kills the authority.
func (a *authority) stop() {
	_ = a.cmd.Process.Kill()
	_ = a.cmd.Wait() // it was killed
}

// get requests a page of the authority.
func (a *authority) get(url string) ([]byte, error) {
	c := http.Client{Timeout: testenv.Wait, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	resp, err := c.Get(url)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

// pool returns the root of the running authority.
func (a *authority) pool() *x509.CertPool {
	a.t.Helper()
	text, err := a.get(a.roots)
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM(text) {
		a.t.Fatalf("no root: %v: %s", err, text)
	}
	return pool
}

// certificateOf returns the certificate of a name at a gateway; nil while there is none. roots may be nil.
func certificateOf(t *testing.T, port, name string, roots *x509.CertPool) *x509.Certificate {
	t.Helper()
	conn, err := tls.Dial("tcp", "127.0.0.1:"+port, &tls.Config{ServerName: name, RootCAs: roots, InsecureSkipVerify: roots == nil})
	if err != nil {
		return nil
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0]
}

// awaitCertificate waits until a gateway has a certificate of a name that differs from another one, which may be nil.
func awaitCertificate(t *testing.T, p *program, port, name string, roots *x509.CertPool, other *x509.Certificate) *x509.Certificate {
	t.Helper()
	var got *x509.Certificate
	testenv.Eventually(t, testenv.Wait, fmt.Sprintf("a certificate for %s", name), func() bool {
		got = certificateOf(t, port, name, roots)
		return got != nil && (other == nil || !bytes.Equal(got.Raw, other.Raw))
	}, p.stderr.String)
	return got
}

// awaitHealth waits until a gateway with a local admin listener has a state, with a reason of its shared listener.
func awaitHealth(t *testing.T, p *program, state, reason string) {
	t.Helper()
	var body string
	testenv.Eventually(t, testenv.Wait, fmt.Sprintf("the health %s: %s", state, reason), func() bool {
		resp, err := http.Get("http://127.0.0.1:" + p.port + "/api/status") // it needs no secret
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		body = string(text)
		var status struct {
			Health struct {
				State   string
				Reasons []struct{ Component, Text string }
			}
		}
		if err != nil || json.Unmarshal(text, &status) != nil {
			return false
		}
		found := reason == ""
		for _, r := range status.Health.Reasons {
			found = found || r.Component == "certificate of the shared listener" && strings.Contains(r.Text, reason)
		}
		return status.Health.State == state && found
	}, func() string { return body + p.stderr.String() })
}
