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

	dir       string
	authority *x509.Certificate
	key       *ecdsa.PrivateKey // of the authority
}

// MakeCertificates creates an authority, and certificates of a server and a client. A PostgreSQL server uses the name
// of the client as its role.
func MakeCertificates(t testing.TB, client string) Certificates {
	t.Helper()
	now := time.Now()
	c := Certificates{dir: t.TempDir(), key: newKey(t), authority: &x509.Certificate{
		SerialNumber: newSerial(t), Subject: pkix.Name{CommonName: "a private authority"}, NotBefore: now.Add(-48 * time.Hour), NotAfter: now.Add(30 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}}
	c.CA, _ = c.sign(t, c.authority, c.key)
	c.ServerCert, c.ServerKey = c.Server(t, c.authority.NotAfter)
	c.ClientCert, c.ClientKey = c.Client(t, client)
	return c
}

// Server issues a further certificate of the server, valid until a time, and returns its files.
func (c Certificates) Server(t testing.TB, notAfter time.Time) (certFile, keyFile string) {
	t.Helper()
	return c.issue(t, "localhost", x509.ExtKeyUsageServerAuth, notAfter)
}

// Client issues a certificate of a client, and returns its files.
func (c Certificates) Client(t testing.TB, name string) (certFile, keyFile string) {
	t.Helper()
	return c.issue(t, name, x509.ExtKeyUsageClientAuth, c.authority.NotAfter)
}

func (c Certificates) issue(t testing.TB, name string, usage x509.ExtKeyUsage, notAfter time.Time) (certFile, keyFile string) {
	t.Helper()
	return c.sign(t, &x509.Certificate{
		SerialNumber: newSerial(t), Subject: pkix.Name{CommonName: name}, NotBefore: c.authority.NotBefore, NotAfter: notAfter,
		DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage},
	}, newKey(t))
}

// sign writes a certificate that the authority signs, and its key, to files.
func (c Certificates) sign(t testing.TB, of *x509.Certificate, key *ecdsa.PrivateKey) (certFile, keyFile string) {
	t.Helper()
	cert, err := x509.CreateCertificate(rand.Reader, of, c.authority, key.Public(), c.key)
	must(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	path := filepath.Join(c.dir, of.SerialNumber.String())
	return writePEM(t, path+".crt", "CERTIFICATE", cert), writePEM(t, path+".key", "PRIVATE KEY", private)
}

func newSerial(t testing.TB) *big.Int {
	t.Helper()
	n, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	must(t, err)
	return n
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
