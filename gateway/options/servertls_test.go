package options_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
)

// TestServerTLSProblems proves that each fault of the files of a listener is reported at the option with the fault.
func TestServerTLSProblems(t *testing.T) {
	files, other := testenv.MakeCertificates(t, "client"), testenv.MakeCertificates(t, "client")
	text := filepath.Join(t.TempDir(), "text")
	encrypted := filepath.Join(t.TempDir(), "encrypted")
	for path, content := range map[string]string{text: "no certificate", encrypted: "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMA==\n-----END ENCRYPTED PRIVATE KEY-----\n"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		raw          map[string]any
		option, want string // "": no problem
	}{
		"right":             {map[string]any{"cert": files.ServerCert, "key": files.ServerKey, "client_ca": files.CA, "client_auth": "required", "min_version": 1.3}, "", ""},
		"none":              {map[string]any{}, "", ""},
		"no key":            {map[string]any{"cert": files.ServerCert}, "cert", "needs key"},
		"no cert":           {map[string]any{"key": files.ServerKey}, "key", "needs cert"},
		"another key":       {map[string]any{"cert": files.ServerCert, "key": other.ServerKey}, "key", "is not the key of the certificate"},
		"an encrypted key":  {map[string]any{"cert": files.ServerCert, "key": encrypted}, "key", "is encrypted with a passphrase"},
		"no key in it":      {map[string]any{"cert": files.ServerCert, "key": text}, "key", "holds no private key"},
		"no cert in it":     {map[string]any{"cert": text, "key": files.ServerKey}, "cert", "holds no certificate"},
		"a missing file":    {map[string]any{"cert": "/nowhere", "key": files.ServerKey}, "cert", "cannot be read: no such file"},
		"no authority":      {map[string]any{"cert": files.ServerCert, "key": files.ServerKey, "client_ca": text}, "client_ca", "holds no certificate"},
		"authority alone":   {map[string]any{"client_ca": files.CA}, "client_ca", "needs cert and key"},
		"required of none":  {map[string]any{"cert": files.ServerCert, "key": files.ServerKey, "client_auth": "required"}, "client_auth", "needs client_ca"},
		"an old version":    {map[string]any{"cert": files.ServerCert, "key": files.ServerKey, "min_version": 1.1}, "min_version", "unknown value"},
		"an unknown option": {map[string]any{"certificate": files.ServerCert}, "certificate", "unknown option"},
	} {
		o := options.DefaultServerTLS()
		var d options.Decoder
		d.Decode("http.tls", c.raw, &o)
		switch {
		case c.want == "" && len(d.Problems) > 0:
			t.Errorf("%s: %v", name, d.Problems)
		case c.want == "":
		case len(d.Problems) != 1 || d.Problems[0].Path != "http.tls."+c.option || !strings.Contains(d.Problems[0].Text, c.want):
			t.Errorf("%s: %v, want %s: %s", name, d.Problems, c.option, c.want)
		}
	}
}

// TestServerTLSWarnings proves that a certificate outside of its time is reported.
func TestServerTLSWarnings(t *testing.T) {
	files := testenv.MakeCertificates(t, "client")
	o := options.DefaultServerTLS()
	var d options.Decoder
	d.Decode("tls", map[string]any{"cert": files.ServerCert, "key": files.ServerKey}, &o)
	if len(d.Problems) > 0 {
		t.Fatal(d.Problems)
	}
	for after, want := range map[time.Duration]string{0: "", 31 * 24 * time.Hour: "the certificate expired at", -100 * time.Hour: "the certificate is valid from"} {
		if text := o.Warning(time.Now().Add(after)); !strings.HasPrefix(text, want) || text == "" != (want == "") {
			t.Errorf("after %v: %s", after, text)
		}
	}
}
