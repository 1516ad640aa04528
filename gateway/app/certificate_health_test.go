package app

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"eventgateway/gateway/internal/admin"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/testenv"
)

// TestHealthTellsOfCertificates proves that the health is degraded while the certificate of a listener expires soon, has expired, or
// cannot be loaded, and ok when it was renewed.
func TestHealthTellsOfCertificates(t *testing.T) {
	made, dir := testenv.MakeCertificates(t, "client"), t.TempDir()
	cert, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	put := func(fromCert, fromKey string) {
		t.Helper()
		for to, from := range map[string]string{cert: fromCert, key: fromKey} {
			text, err := os.ReadFile(from)
			if err != nil {
				t.Fatal(err)
			}
			writeText(t, to, string(text))
		}
	}
	put(made.Server(t, time.Now().Add(time.Hour)))
	r := startGateway(t, writeConfig(t, tlsConfig), map[string]string{"CERT": cert, "KEY": key})
	r.awaitSinks()
	expect := func(when, state, reason string) {
		t.Helper()
		var o admin.Overview
		body := curl(t, "-H", "Authorization: Bearer "+r.secret(), "https://127.0.0.1:"+r.port+"/api/status")
		if err := json.Unmarshal([]byte(body), &o); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		got := ""
		for _, one := range o.Health.Reasons {
			got += fmt.Sprintf("%s: %s", one.Component, one.Text)
		}
		if o.Health.State != state || (reason == "") != (got == "") || len(got) < len(reason) || got[:len(reason)] != reason {
			t.Errorf("%s: %s, %s, want %s, %s", when, o.Health.State, got, state, reason)
		}
	}
	const of = "certificate of the shared listener: "
	expect("an hour before its end", stats.HealthDegraded, of+"expires at ")
	put(made.ServerCert, made.ServerKey)
	r.refreshCertificates(testenv.Context(t))
	expect("renewed", stats.HealthOK, "")
	writeText(t, key, "no key")
	for range 2 { // a program may write the files one after the other
		r.refreshCertificates(testenv.Context(t))
	}
	expect("with a broken key", stats.HealthDegraded, of+"not loaded, the running one stays: key: ")
	put(made.Server(t, time.Now().Add(-time.Minute)))
	r.refreshCertificates(testenv.Context(t))
	expect("expired", stats.HealthDegraded, of+"expired at ")
}
