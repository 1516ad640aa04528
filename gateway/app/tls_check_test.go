package app

import (
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
