package pgconn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	pg "github.com/jackc/pgx/v5/pgconn"

	"eventgateway/gateway/internal/link"
	"eventgateway/gateway/options"
)

// ConnectTimeout bounds an attempt to connect unless the URL does.
const ConnectTimeout = 5 * time.Second

// Config reads a postgres:// URL, as libpq does, for the component called name. It opens no
// connection; it reads the files that the URL names. Its error never repeats the URL, which may
// hold a password.
func Config(url options.URL, name string) (*SessionConfig, error) {
	c, _, err := parseConfig(url, name)
	return c, err
}

func parseConfig(url options.URL, name string) (*SessionConfig, params, error) {
	if url.IsZero() { // libpq would connect to this machine as the user of the process
		return nil, params{}, errors.New("is empty; write postgres://user:password@host:5432/database")
	}
	if err := new(options.URL).UnmarshalText([]byte(url.Reveal())); err != nil { // of a URL that no decoder has read
		return nil, params{}, err
	}
	text, read, err := readParams(url.Reveal())
	if err != nil {
		return nil, params{}, err
	}
	c, err := pgx.ParseConfig(text)
	if err != nil {
		return nil, params{}, options.NewRedactor(url).Error(explainURLError(err))
	}
	for _, t := range tlsConfigs(c) {
		read.secure(t)
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = ConnectTimeout
	}
	dial := c.DialFunc
	c.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return link.New(conn), nil
	}
	settings := takeSettings(c)
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "eventgateway " + name
	}
	for name, value := range protocolSettings {
		c.RuntimeParams[name] = value
	}
	c.AfterConnect = applyProtocolSettings
	return &SessionConfig{c, settings}, read, nil
}

// PrimaryConfig is [Config] for a component that needs a primary. Of several hosts it connects to the
// primary.
func PrimaryConfig(url options.URL, name string) (*SessionConfig, error) {
	c, read, err := parseConfig(url, name)
	if err != nil {
		return nil, err
	}
	hosts := map[string]bool{}
	for _, f := range append(c.Fallbacks, &pg.FallbackConfig{Host: c.Host, Port: c.Port}) {
		hosts[fmt.Sprint(f.Host, f.Port)] = true
	}
	switch attrs := read.sessionAttrs; {
	case attrs == "standby" || attrs == "read-only" || attrs == "prefer-standby":
		return nil, fmt.Errorf("asks for a standby by target_session_attrs=%s, which can neither notify nor store: write target_session_attrs=primary", attrs)
	case c.ValidateConnect == nil && len(hosts) > 1:
		c.ValidateConnect = pg.ValidateConnectTargetSessionAttrsPrimary
	}
	return c, nil
}

// protocolSettings are the settings that the protocol relies on. Poolers keep them for each client.
// A database may have another encoding, and the role or the database other defaults.
var protocolSettings = map[string]string{"client_encoding": "UTF8", "standard_conforming_strings": "on"}

// unusableSession is the error of a session that cannot be used.
type unusableSession struct{ text string }

func (u *unusableSession) Error() string { return u.text }

// applyProtocolSettings sets the protocol settings that the session lacks: a pooler may have dropped them.
func applyProtocolSettings(ctx context.Context, conn *pg.PgConn) error {
	for name, value := range protocolSettings {
		if is := conn.ParameterStatus(name); is == value || is == "" { // a server that does not report it has no other
			continue
		}
		_, err := conn.Exec(ctx, fmt.Sprintf("SET %s = '%s'", name, value)).ReadAll()
		if is := conn.ParameterStatus(name); err == nil && is != value {
			err = &unusableSession{fmt.Sprintf("the session has %s %q and not %q: configure the pooler to forward this setting", name, is, value)}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// tlsConfigs returns the TLS configurations of all hosts.
func tlsConfigs(c *pgx.ConnConfig) (all []*tls.Config) {
	for _, f := range append(c.Fallbacks, &pg.FallbackConfig{TLSConfig: c.TLSConfig}) {
		if f.TLSConfig != nil {
			all = append(all, f.TLSConfig)
		}
	}
	return all
}

// explainURLError returns an error that says what is wrong with a URL, without its text.
func explainURLError(err error) error {
	var parsing *pg.ParseConfigError
	if !errors.As(err, &parsing) {
		return errNoURL
	}
	bare := *parsing
	bare.ConnString = ""
	text := strings.TrimPrefix(bare.Error(), "cannot parse ``: ")
	switch {
	case strings.HasPrefix(text, "failed to parse"): // what follows may repeat a part of it
		return errNoURL
	case strings.HasPrefix(text, "failed to configure TLS"):
		return fmt.Errorf("cannot be used: %s: see the parameters sslrootcert, sslcert and sslkey, or PGSSLROOTCERT and its like", strings.TrimPrefix(text, "failed to "))
	case strings.HasPrefix(text, "failed to read service"):
		return fmt.Errorf("cannot be used: %s: write its section into ~/.pg_service.conf, or name the file in servicefile or PGSERVICEFILE", strings.TrimPrefix(text, "failed to "))
	}
	return fmt.Errorf("cannot be used: %s", text)
}

var errNoURL = errors.New("is not a PostgreSQL URL; write postgres://user:password@host:5432/database?sslmode=prefer")

// checkReadable returns an error if a file cannot be read.
func checkReadable(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return f.Close()
}
