package app

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"eventgateway/gateway/internal/admin"
	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/internal/httpserver"
	"eventgateway/gateway/options"
)

// listenerTLS is the TLS of one listener.
type listenerTLS struct {
	name, setting string            // "shared", "http.tls"
	running       options.ServerTLS // in use
	acme          *acmeTLS          // nil: the certificate is in files
	handshakes    *httpserver.Certificates
	suspected     string      // problem of the last read; "": there was none
	problem       string      // of the files, as it was logged; "": there is none
	reading       boundedCall // of the files
}

// newListenerTLS returns the TLS of a listener with checked options.
func newListenerTLS(name, setting string, t config.SharedTLS) (*listenerTLS, error) {
	l := &listenerTLS{name: name, setting: setting, running: t.ServerTLS}
	if t.ACME.Enabled() {
		l.acme = &acmeTLS{}
	}
	c, option, err := l.config(t.ServerTLS)
	if err != nil {
		return nil, fmt.Errorf("%s.%s: %w", setting, option, err)
	}
	l.handshakes = httpserver.NewCertificates(c)
	if l.acme != nil {
		l.handshakes.AnswerChallenges(l.acme.certificate)
	}
	return l, nil
}

// config returns the configuration of handshakes by the options t.
func (l *listenerTLS) config(t options.ServerTLS) (c *tls.Config, option string, err error) {
	if l.acme == nil {
		return t.Config()
	}
	if c, option, err = t.Rules(); err == nil {
		c.GetCertificate = l.acme.certificate
	}
	return c, option, err
}

// startTLS reports the certificate of a listener, or begins to obtain it. The listener must not serve yet.
func (g *gateway) startTLS(l *listenerTLS, at net.Addr) error {
	if l.acme != nil {
		return g.startACME(l, at)
	}
	g.admin.RecordCertificate(l.name, l.running.Leaf())
	return nil
}

// refreshCertificates reads the files of the certificates. If they have changed, new handshakes use them. If they
// cannot be used, the listener keeps what it has, and the log, the status and the metric show the reason.
func (g *gateway) refreshCertificates(ctx context.Context) {
	for _, l := range g.encrypted {
		running := l.running
		var read options.ServerTLS
		var readErr error
		err := l.reading.do(ctx, func() { read, readErr = running.Reread() })
		if err == nil {
			err = readErr
		}
		if err == nil {
			err = g.useTLS(l, read)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			g.noteCertificateError(l, err)
		}
		if l.acme != nil {
			g.refreshACME(l)
		}
	}
}

// noteCertificateError reports a problem that two reads in a row had: a program may write the files one after
// the other.
func (g *gateway) noteCertificateError(l *listenerTLS, err error) {
	text := err.Error()
	if text == l.suspected && text != l.problem {
		g.log.Error("certificate not loaded", "setting", l.setting, "error", err, "effect", "the loaded one stays in use")
		g.admin.RecordCertificateError(l.name, err)
		l.problem = text
	}
	l.suspected = text
}

// useTLS lets new handshakes of a listener use t.
func (g *gateway) useTLS(l *listenerTLS, t options.ServerTLS) error {
	if !options.Equal(&t, &l.running) {
		c, option, err := l.config(t)
		if err != nil {
			return fmt.Errorf("%s: %w", option, err)
		}
		l.handshakes.Set(c)
		l.running = t
		if l.acme != nil {
			g.log.Info("rules for client certificates changed", "setting", l.setting)
		} else {
			g.admin.RecordCertificate(l.name, c.Certificates[0].Leaf)
			g.log.Info("certificate loaded", "setting", l.setting, "expires", c.Certificates[0].Leaf.NotAfter)
		}
		if text := t.Warning(time.Now()); text != "" {
			g.log.Warn("certificate not valid now", "setting", l.setting, "problem", text)
		}
	} else if l.problem != "" { // the files have their former content again
		g.admin.RecordCertificateError(l.name, nil)
	}
	l.suspected, l.problem = "", ""
	return nil
}

// tlsFiles returns the paths of the files of all certificates.
func (g *gateway) tlsFiles() (paths []string) {
	for _, l := range g.encrypted {
		paths = append(paths, l.running.Paths()...)
	}
	return paths
}

// reloadTLS gives the certificates of a new configuration to a listener. A listener begins or ceases to have TLS, or ACME, only at
// the next start: until then cfg gets the running options.
func (g *gateway) reloadTLS(cfg, running *config.SharedTLS, setting string) {
	if cfg.Enabled() != running.Enabled() || cfg.ACME.Enabled() != running.ACME.Enabled() {
		*cfg = *running
		return
	}
	for _, l := range g.encrypted {
		if l.setting != setting {
			continue
		}
		_ = g.useTLS(l, cfg.ServerTLS) // the configuration was checked
		if l.acme == nil {
			continue
		}
		o, err := withStorage(cfg.ACME, admin.SecretFolder)
		if err != nil {
			g.log.Error("options of ACME not changed", "setting", setting+".acme", "error", err)
			continue
		}
		l.acme.client.Set(o)
		g.refreshACME(l)
	}
}
