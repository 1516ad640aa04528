package testenv

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Certificates has the paths of the files of a private authority, a server called localhost, and a client.
type Certificates struct {
	CA, ServerCert, ServerKey, ClientCert, ClientKey string
}

// MakeCertificates creates an authority, and certificates of a server and a client. A PostgreSQL server uses the name
// of the client as its role.
func MakeCertificates(t testing.TB, client string) Certificates {
	t.Helper()
	dir := t.TempDir()
	now := time.Now()
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a private authority"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caKey := newKey(t)
	certify := func(name string, of *x509.Certificate, key *ecdsa.PrivateKey) (certFile, keyFile string) {
		t.Helper()
		cert, err := x509.CreateCertificate(rand.Reader, of, authority, key.Public(), caKey)
		must(t, err)
		private, err := x509.MarshalPKCS8PrivateKey(key)
		must(t, err)
		return writePEM(t, filepath.Join(dir, name+".crt"), "CERTIFICATE", cert), writePEM(t, filepath.Join(dir, name+".key"), "PRIVATE KEY", private)
	}
	c := Certificates{}
	c.CA, _ = certify("ca", authority, caKey)
	leaf := func(n int64, name string, usage x509.ExtKeyUsage) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(n), Subject: pkix.Name{CommonName: name}, NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
			DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage},
		}
	}
	c.ServerCert, c.ServerKey = certify("server", leaf(2, "localhost", x509.ExtKeyUsageServerAuth), newKey(t))
	c.ClientCert, c.ClientKey = certify("client", leaf(3, client, x509.ExtKeyUsageClientAuth), newKey(t))
	return c
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return key
}

func writePEM(t testing.TB, path, kind string, der []byte) string {
	t.Helper()
	must(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	return path
}
