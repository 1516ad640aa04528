package app

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/testenv"
)

// TestCheckReportsCertificates proves that check reports faults of certificates at their place in the file, and that
// an expired certificate is a warning.
func TestCheckReportsCertificates(t *testing.T) {
	files, other := testenv.MakeCertificates(t, "client"), testenv.MakeCertificates(t, "client")
	expiredCert, expiredKey := files.Server(t, time.Now().Add(-time.Hour))
	for name, c := range map[string]struct {
		cert, key, want string
		ok              bool
	}{
		"right":       {files.ServerCert, files.ServerKey, "is right", true},
		"missing":     {"/nowhere/tls.crt", files.ServerKey, "gateway.yaml:4:15: http.tls.cert: cannot be read: no such file or directory", false},
		"another key": {files.ServerCert, other.ServerKey, "http.tls.key: is not the key of the certificate in cert", false},
		"expired":     {expiredCert, expiredKey, "gateway.yaml:4:15: http.tls.cert: the certificate expired at ", true},
	} {
		// The values of variables are hidden in problems, so these are literals.
		text := strings.NewReplacer("${PORT}", "0", "${CERT}", c.cert, "${KEY}", c.key, "${REDIS_URL}", "redis://h").Replace(tlsConfig)
		out, err := commandLine(t, nil, "check", "-c", writeConfig(t, text))
		if err != nil {
			out += err.Error()
		}
		if (err == nil) != c.ok || !strings.Contains(out, c.want) {
			t.Errorf("%s: %v: %s, want %q", name, err, out, c.want)
		}
	}
	out, err := commandLine(t, nil, "check", "-c", writeConfig(t, strings.Replace(tlsConfig, "  tls:", "  admin: {tls: {cert: /nowhere, key: /nowhere}}\n  tls:", 1)))
	if err == nil || !strings.Contains(err.Error(), "gateway.yaml:4:23: http.admin.tls.cert: cannot be read") {
		t.Errorf("the admin listener: %v\n%s", err, out)
	}
}

// TestReloadedTLS proves that a reload takes other files, clients and versions at once, on the admin listener, too, and
// that a listener begins and ceases to have TLS at the next start only.
func TestReloadedTLS(t *testing.T) {
	files := testenv.MakeCertificates(t, "client")
	port := testenv.FreePort(t)
	text := strings.Replace(tlsConfig, "  tls:", fmt.Sprintf("  admin: {listen: \"127.0.0.1:%d\", tls: {cert: \"${CERT}\", key: \"${KEY}\"}}\n  tls:", port), 1)
	file := writeConfig(t, text)
	env := map[string]string{"CERT": files.ServerCert, "KEY": files.ServerKey, "REDIS_URL": testenv.Redis(t).URL()}
	r := startGateway(t, file, env)
	env["PORT"] = r.port
	r.reloadable(file, env)
	serials := func() (all []string) {
		t.Helper()
		for _, p := range []string{r.port, fmt.Sprint(port)} {
			conn, err := tls.Dial("tcp", "127.0.0.1:"+p, &tls.Config{InsecureSkipVerify: true})
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, conn.ConnectionState().PeerCertificates[0].SerialNumber.String())
			conn.Close()
		}
		return all
	}
	before := serials()
	env["CERT"], env["KEY"] = files.Server(t, time.Now().Add(time.Hour))
	r.reload(testenv.Context(t), "test")
	after := serials()
	for i := range after {
		if after[i] == before[i] || after[0] != after[i] {
			t.Errorf("the certificates before the reload: %v, after: %v", before, after)
		}
	}
	writeText(t, file, strings.Replace(text, "  tls: {", fmt.Sprintf("  tls: {client_ca: %q, client_auth: required, ", files.CA), 1))
	r.reload(testenv.Context(t), "test")
	conn, err := tls.Dial("tcp", "127.0.0.1:"+r.port, &tls.Config{InsecureSkipVerify: true})
	if err == nil { // by TLS 1.3 the refusal comes with the first read
		_, err = conn.Read(make([]byte, 1))
		conn.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "certificate required") {
		t.Errorf("a client without a certificate: %v", err)
	}
	writeText(t, file, strings.Replace(text, "  tls: {cert: \"${CERT}\", key: \"${KEY}\"}\nsources", "sources", 1))
	r.reload(testenv.Context(t), "test")
	resp := curl(t, fmt.Sprintf("https://127.0.0.1:%d/api/status", port))
	if !strings.Contains(resp, `"http.tls"`) || strings.Contains(resp, `"http.admin.tls"`) {
		t.Errorf("the settings that need a restart are not http.tls alone: %s", resp)
	}
	conn, err = tls.Dial("tcp", "127.0.0.1:"+r.port, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatalf("the listener ceases to have TLS without a restart: %v", err)
	}
	conn.Close()
}
