package pgconn

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"eventgateway/gateway/options"
)

// paramKind is how a parameter of a URL is handled.
type paramKind int

const (
	serverSetting paramKind = iota // of the server: pgx sends it
	forwarded                      // pgx knows it
	ignored                        // it changes nothing here
	refused                        // not supported, and a user who sets it relies on it
	handled                        // readParams handles it
)

// knownParams are the parameters of libpq, and those of other clients that may share the URL.
var knownParams = map[string]paramKind{
	"host": forwarded, "port": forwarded, "dbname": forwarded, "database": forwarded, "user": forwarded, "password": forwarded, "service": forwarded, "servicefile": forwarded,
	"options": forwarded, "application_name": forwarded, "krbspn": forwarded, "krbsrvname": forwarded, "require_auth": forwarded,
	"channel_binding": forwarded, "sslcert": forwarded, "sslkey": forwarded, "sslcertmode": forwarded, "sslrootcert": forwarded, "sslpassword": forwarded, "sslsni": forwarded,
	"sslnegotiation": forwarded, "ssl": forwarded, "min_protocol_version": forwarded, "max_protocol_version": forwarded,

	"passfile": handled, "connect_timeout": handled, "sslmode": handled, "target_session_attrs": handled, "fallback_application_name": handled, "gssencmode": handled, "replication": handled,
	"ssl_min_protocol_version": handled, "ssl_max_protocol_version": handled,

	"client_encoding":            ignored, // it is UTF8
	"keepalives":                 ignored, // the plugins notice a silent connection themselves
	"keepalives_idle":            ignored,
	"keepalives_interval":        ignored,
	"keepalives_count":           ignored,
	"tcp_user_timeout":           ignored,
	"sslcompression":             ignored,
	"load_balance_hosts":         ignored, // hosts are tried in their order
	"gsslib":                     ignored,
	"gssdelegation":              ignored,
	"uselibpqcompat":             ignored, // of node-postgres
	"default_query_exec_mode":    ignored, // of pgx: each plugin has its own
	"statement_cache_capacity":   ignored,
	"description_cache_capacity": ignored,
	"pool_max_conns":             ignored, // of pgxpool
	"pool_min_conns":             ignored,
	"pool_max_conn_lifetime":     ignored,
	"pool_max_conn_idle_time":    ignored,
	"pool_health_check_period":   ignored,
	"pgbouncer":                  ignored, // of Prisma
	"connection_limit":           ignored,
	"pool_timeout":               ignored,
	"schema":                     ignored, // tables are named with theirs
	"hostaddr":                   refused,
	"requirepeer":                refused,
	"sslcrl":                     refused,
	"sslcrldir":                  refused,
	"requiressl":                 refused,
}

// sslModes are the values of sslmode. no-verify is from node-postgres.
var sslModes = []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full", "no-verify"}

var targetSessionAttrsValues = []string{"any", "read-write", "read-only", "primary", "standby", "prefer-standby"}

// tlsVersions are named as in libpq. Go supports none before 1.2.
var tlsVersions = map[string]uint16{"TLSv1": 0, "TLSv1.1": 0, "TLSv1.2": tls.VersionTLS12, "TLSv1.3": tls.VersionTLS13}

// params are the parameters of a URL that readParams handles.
type params struct {
	noVerify bool
	min, max uint16 // versions of TLS; 0: Go's

	sessionAttrs string // target_session_attrs, which pgx knows, too
}

func (p params) secure(t *tls.Config) {
	if p.noVerify {
		t.InsecureSkipVerify, t.VerifyPeerCertificate = true, nil
	}
	t.MinVersion, t.MaxVersion = p.min, p.max
}

// readParams removes from a URL the parameters that pgx does not know, or would send to the server as
// settings. It returns an error if a parameter is unknown or not supported. Errors repeat no secret
// value.
func readParams(raw string) (text string, p params, err error) {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok { // keywords and values, as the command line accepts, too
		return raw, p, nil
	}
	before, query, _ := strings.Cut(rest, "?")
	var params []string
	for param := range strings.FieldsFuncSeq(query, func(r rune) bool { return r == '&' }) {
		encoded, value, hasValue := strings.Cut(param, "=")
		name, err := url.PathUnescape(encoded)
		text, err2 := url.PathUnescape(value)
		if err != nil || err2 != nil || !hasValue || strings.Contains(value, "=") {
			return "", p, errors.New("has a parameter that cannot be read: write name=value, and = within a value as %3D")
		}
		if err := checkSpelling(name); err != nil {
			return "", p, err
		}
		switch knownParams[name] {
		case ignored:
			continue
		case refused:
			return "", p, fmt.Errorf("has the parameter %s, which is not supported: remove it", name)
		case handled:
			replaced, err := p.read(name, text)
			if err != nil {
				return "", p, err
			}
			if replaced == "" {
				continue
			}
			param = replaced
		}
		params = append(params, param)
	}
	return strings.TrimSuffix(strings.ToLower(scheme)+"://"+before+"?"+strings.Join(params, "&"), "?"), p, nil
}

// read handles one parameter, and returns what pgx gets in its place; "" for nothing.
func (p *params) read(name, value string) (rewritten string, err error) {
	rewritten = name + "=" + url.QueryEscape(value)
	oneOf := func(values []string) error {
		if !slices.Contains(values, value) {
			return fmt.Errorf("%s: %s", name, options.UnknownName(fmt.Sprintf("value %q", value), value, values))
		}
		return nil
	}
	version := func(v *uint16) error {
		n, ok := tlsVersions[value]
		if *v = n; !ok {
			return oneOf([]string{"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"})
		}
		return nil
	}
	switch name {
	case "sslmode":
		err = oneOf(sslModes)
		if value == "no-verify" {
			p.noVerify, rewritten = true, "sslmode=require"
		}
	case "target_session_attrs":
		p.sessionAttrs = value
		err = oneOf(targetSessionAttrsValues)
	case "passfile":
		if err = checkReadable(value); err != nil {
			err = fmt.Errorf("passfile: %w", err)
		}
		rewritten = name + "=" + url.PathEscape(value)
	case "connect_timeout":
		if n, bad := strconv.Atoi(strings.TrimSpace(value)); bad != nil || n < 0 {
			err = errors.New("connect_timeout: write whole seconds")
		}
	case "fallback_application_name":
		rewritten = ""
	case "gssencmode":
		if err = oneOf([]string{"disable", "prefer"}); value == "require" {
			err = errors.New("gssencmode=require is not supported: use TLS")
		}
		rewritten = ""
	case "replication":
		if !slices.Contains([]string{"false", "off", "no", "0"}, value) {
			err = errors.New("asks for a replication connection, which cannot run queries: remove replication")
		}
		rewritten = ""
	case "ssl_min_protocol_version":
		err, rewritten = version(&p.min), ""
	case "ssl_max_protocol_version":
		if err, rewritten = version(&p.max), ""; err == nil && p.max == 0 {
			err = errors.New("ssl_max_protocol_version: TLS before 1.2 is not supported: write TLSv1.2 or TLSv1.3")
		}
	}
	return rewritten, err
}

// checkSpelling returns an error if a name differs from a known parameter only in case, underscores or
// hyphens. Any other name may be a setting of the server.
func checkSpelling(name string) error {
	plain := func(s string) string { return strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(s)) }
	if _, ok := knownParams[name]; ok {
		return nil
	}
	for k := range knownParams {
		if plain(k) == plain(name) {
			return fmt.Errorf("has an unknown parameter %q (did you mean %q?)", name, k)
		}
	}
	return nil
}
