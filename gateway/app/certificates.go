package app

import (
	"context"
	"fmt"
	"time"

	"eventgateway/gateway/internal/httpserver"
	"eventgateway/gateway/options"
)

// listenerTLS is the TLS of one listener.
type listenerTLS struct {
	name, setting string            // "shared", "http.tls"
	running       options.ServerTLS // in use
	handshakes    *httpserver.Certificates
	suspected     string      // problem of the last read; "": there was none
	problem       string      // of the files, as it was logged; "": there is none
	reading       boundedCall // of the files
}

// newListenerTLS returns the TLS of a listener with checked options.
func newListenerTLS(name, setting string, t options.ServerTLS) (*listenerTLS, error) {
	c, option, err := t.Config()
	if err != nil {
		return nil, fmt.Errorf("%s.%s: %w", setting, option, err)
	}
	return &listenerTLS{name: name, setting: setting, running: t, handshakes: httpserver.NewCertificates(c)}, nil
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
	}
}

// noteCertificateError reports a problem that two reads in a row had: a program may write the files one after
// the other.
func (g *gateway) noteCertificateError(l *listenerTLS, err error) {
	text := err.Error()
	if text == l.suspected && text != l.problem {
		g.log.Error("certificate not loaded, the running one stays", "setting", l.setting, "expires", l.running.Leaf().NotAfter, "error", err)
		g.admin.RecordCertificateError(l.name, err)
		l.problem = text
	}
	l.suspected = text
}

// useTLS lets new handshakes of a listener use t.
func (g *gateway) useTLS(l *listenerTLS, t options.ServerTLS) error {
	if !options.Equal(&t, &l.running) {
		c, option, err := t.Config()
		if err != nil {
			return fmt.Errorf("%s: %w", option, err)
		}
		l.handshakes.Set(c)
		l.running = t
		g.admin.RecordCertificate(l.name, c.Certificates[0].Leaf)
		g.log.Info("certificate loaded", "setting", l.setting, "expires", c.Certificates[0].Leaf.NotAfter)
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

// reloadTLS gives the certificates of a new configuration to the listeners. A listener begins or ceases to have TLS only at
// the next start: until then cfg gets the running options.
func (g *gateway) reloadTLS(cfg, running *options.ServerTLS, setting string) {
	if cfg.Enabled() != running.Enabled() {
		*cfg = *running
		return
	}
	for _, l := range g.encrypted {
		if l.setting == setting {
			_ = g.useTLS(l, *cfg) // the configuration was checked
		}
	}
}
