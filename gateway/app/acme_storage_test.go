package app

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"eventgateway/gateway/acme"
	"eventgateway/gateway/internal/config"
)

// TestStoredCertificateIsFoundInAnyFolder proves that a folder whose name looks like a pattern is read as it is named.
func TestStoredCertificateIsFoundInAnyFolder(t *testing.T) {
	storage := filepath.Join(t.TempDir(), "s[1]*")
	folder := filepath.Join(storage, "certificates", "ca", "a.example")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("stored")})
	if err := os.WriteFile(filepath.Join(folder, "a.example.crt"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	p := adminPages{setting: "http", tls: config.SharedTLS{ACME: acme.Options{Storage: storage}}}
	if err := p.storedByACME(&x509.Certificate{Raw: []byte("stored")}); err != nil {
		t.Error(err)
	}
	if err := p.storedByACME(&x509.Certificate{Raw: []byte("other")}); err == nil {
		t.Error("another certificate was found")
	}
}
