package app

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"eventgateway/gateway/acme"
	"eventgateway/gateway/internal/admin"
)

// acmeTLS obtains the certificates of one listener.
type acmeTLS struct {
	client acme.Client
	loaded map[string]time.Time // by name, when the certificate in use expires
}

// certificate returns the certificate for a handshake.
func (a *acmeTLS) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return a.client.Certificate(hello)
}

// startACME creates the client of a listener. The listener must not serve yet.
func (g *gateway) startACME(l *listenerTLS, at net.Addr) error {
	o, err := withStorage(g.cfg.HTTP.TLS.ACME, admin.SecretFolder)
	if err != nil {
		return fmt.Errorf("%s.acme: %w", l.setting, err)
	}
	tcp, ok := at.(*net.TCPAddr)
	if !ok {
		return fmt.Errorf("%s.acme: the listener has no address of TCP", l.setting)
	}
	l.acme.client = g.features.acme(o, acme.Env{Log: g.log.With("setting", l.setting+".acme"), Address: tcp.AddrPort()})
	g.refreshACME(l)
	return nil
}

// withStorage returns the options with a folder for storage, if they have none.
func withStorage(o acme.Options, folder func(getenv func(string) string) (string, error)) (acme.Options, error) {
	if o.Storage != "" {
		return o, nil
	}
	dir, err := folder(os.Getenv)
	if err != nil {
		return o, fmt.Errorf("there is no folder for keys and certificates: set storage: %w", err)
	}
	o.Storage = filepath.Join(dir, "acme")
	return o, nil
}

// refreshACME updates the state of a listener's certificates in the log, the status and the metrics.
func (g *gateway) refreshACME(l *listenerTLS) {
	var first time.Time // when the first certificate expires
	var problems []string
	changed, loaded := false, map[string]time.Time{}
	for _, st := range l.acme.client.Status() {
		loaded[st.Domain] = st.NotAfter
		if !st.NotAfter.IsZero() && (first.IsZero() || st.NotAfter.Before(first)) {
			first = st.NotAfter
		}
		switch {
		case st.Err != nil && st.NotAfter.IsZero():
			problems = append(problems, fmt.Sprintf("no certificate for %s: %v", st.Domain, st.Err))
		case st.Err != nil:
			problems = append(problems, fmt.Sprintf("the certificate for %s was not renewed: %v", st.Domain, st.Err))
		case st.NotAfter.IsZero():
			problems = append(problems, "no certificate for "+st.Domain+" yet")
		}
		if before := l.acme.loaded[st.Domain]; !st.NotAfter.Equal(before) && !st.NotAfter.IsZero() {
			changed = true
			g.log.Info("certificate loaded", "setting", l.setting, "domain", st.Domain, "expires", st.NotAfter)
		}
	}
	if changed || len(loaded) != len(l.acme.loaded) {
		g.admin.RecordACME(l.name, first)
	}
	l.acme.loaded = loaded
	if l.problem != "" { // of the file in client_ca
		problems = append(problems, l.problem)
	}
	var err error
	if len(problems) > 0 {
		err = errors.New(strings.Join(problems, "; "))
	}
	g.admin.RecordCertificateError(l.name, err)
}

// storedByACME returns an error if a certificate is not one that the gateway of this host has obtained.
func (p adminPages) storedByACME(peer *x509.Certificate) error {
	o, err := withStorage(p.tls.ACME, admin.SecretFolderName)
	if err != nil {
		return err
	}
	storage := os.DirFS(o.Storage) // its name is no part of the pattern
	files, err := fs.Glob(storage, "certificates/*/*/*.crt")
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := fs.ReadFile(storage, file)
		if err != nil {
			continue // it may belong to another user
		}
		if block, _ := pem.Decode(text); block != nil && string(block.Bytes) == string(peer.Raw) {
			return nil
		}
	}
	return fmt.Errorf("its certificate is not in %s, where %s.tls.acme stores them: run the command as the user of the gateway, or name the gateway by --url", o.Storage, p.setting)
}
