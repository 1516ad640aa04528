package options

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// URL is an address that may hold a password: it prints with the password
// redacted, and only Reveal returns it whole.
type URL struct {
	raw          string
	fromEnv      bool
	fromEmbedded bool
}

// NewURL returns the URL that text denotes. It is for texts that are known to be valid.
func NewURL(text string) URL { return URL{raw: text} }

// NewEmbeddedURL returns the URL of an embedded server, which the gateway has started itself.
func NewEmbeddedURL(text string) URL { return URL{raw: text, fromEmbedded: true} }

// FromEmbedded reports whether it is the URL of an embedded server, which the gateway has started itself and
// no other program uses.
func (u URL) FromEmbedded() bool { return u.fromEmbedded }

// FromEnv reports whether the URL came from an environment variable, or from the
// default beside one.
func (u URL) FromEnv() bool { return u.fromEnv }

// Reveal returns the URL with its password.
func (u URL) Reveal() string { return u.raw }

// IsZero reports whether there is no URL.
func (u URL) IsZero() bool { return u.raw == "" }

// Embedded reports whether the URL is the word "embedded", for a
// server that the gateway starts itself.
func (u URL) Embedded() bool { return u.raw == "embedded" }

// Scheme returns the scheme in lower case, without ://.
func (u URL) Scheme() string {
	scheme, _, ok := strings.Cut(u.raw, "://")
	if !ok {
		return ""
	}
	return strings.ToLower(scheme)
}

func (u URL) String() string {
	if u.raw == "" || u.Embedded() {
		return u.raw
	}
	p, err := parse(u.raw)
	if err != nil || u.Scheme() == "" || strayAt(u.raw) {
		return knownScheme(u.Scheme()) + "://***"
	}
	if u.isWeb() {
		if strings.Trim(p.Path, "/")+p.RawQuery+p.Fragment == "" {
			return u.Origin() + p.EscapedPath()
		}
		return u.Origin() + "/***"
	}
	user := ""
	if _, has := p.User.Password(); has {
		user = p.User.Username() + ":***@"
	} else if p.User != nil {
		user = "***@" // it may be a token
	}
	text := p.Scheme + "://" + user + p.Host + p.EscapedPath()
	for i, param := range strings.FieldsFunc(p.RawQuery, func(r rune) bool { return r == '&' }) {
		name, value, _ := strings.Cut(param, "=")
		if !publicParams[name] {
			value = "***"
		}
		text += string("?&"[min(i, 1)]) + name + "=" + value
	}
	return text
}

// isWeb reports whether it is a web URL. The path and query of a web URL may be secret, such as those of a webhook.
func (u URL) isWeb() bool {
	switch u.Scheme() {
	case "http", "https", "ws", "wss":
		return true
	}
	return false
}

// Origin returns scheme and host only, for URLs whose path may be secret.
func (u URL) Origin() string {
	p, err := parse(u.raw)
	if err != nil || strayAt(u.raw) {
		return knownScheme(u.Scheme()) + "://***"
	}
	return p.Scheme + "://" + p.Host
}

// GoString keeps %#v from showing the password.
func (u URL) GoString() string { return "URL(" + u.String() + ")" }

// MarshalText keeps JSON and slog from showing the password.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalText reads a URL, or the word "embedded". The rule scheme= checks the scheme. Its errors never repeat the
// text, which may hold a password.
func (u *URL) UnmarshalText(b []byte) error {
	text := string(b)
	if text != "" && text != "embedded" {
		p, err := parse(text)
		if strayAt(text) {
			return errors.New("holds an @ that does not end user and password: percent-encode it as %40, and /, ? and # there as %2F, %3F and %23")
		} else if err != nil && strings.Contains(text, "://") {
			return fmt.Errorf("is not a URL (%s); percent-encode special characters in user and password", parseReason(err))
		} else if err == nil && strings.Contains(p.EscapedPath()+p.RawQuery+p.EscapedFragment(), "@") {
			return errors.New("has an unescaped @ after the host: percent-encode /, ?, # and @ in user and password")
		} else if err == nil && postgresScheme(p.Scheme) && strings.Contains(text, "#") { // libpq reads it as a part of the name
			return errors.New("has an unescaped #: percent-encode it as %23")
		}
	}
	u.raw = text
	return nil
}

// userinfo returns the encoded user and password of a URL. The last @ ends them, also if an @ in them is not encoded,
// so that no part of a password is read as a host.
func userinfo(raw string) (user, password string, ok bool) {
	_, rest, ok := strings.Cut(raw, "://")
	end := strings.LastIndexByte(rest, '@')
	if !ok || end < 0 {
		return "", "", false
	}
	user, password, _ = strings.Cut(rest[:end], ":")
	return user, password, true
}

// strayAt reports whether a URL has an @ in user or password. PostgreSQL's programs end these at the first @, and Go at
// the last. So one of them would read a part of the password as a host name, send it to a name server, and show it in
// errors.
func strayAt(raw string) bool {
	_, rest, ok := strings.Cut(raw, "://")
	authority := rest[:min(len(rest), strings.IndexAny(rest+"/", "/?#"))]
	return ok && strings.Count(authority, "@") > 1
}

// schemes are the schemes that a message may show. Any other text before :// may be a part of a password.
var schemes = []string{"http", "https", "ws", "wss", "postgres", "postgresql", "redis", "rediss", "unix", "redis-sentinel", "rediss-sentinel",
	"redis-cluster", "rediss-cluster", "socks5", "ftp", "file", "mysql", "mongodb", "amqp", "kafka", "nats", "mqtt", "tcp", "jdbc"}

// knownScheme returns scheme if a message may show it, else "".
func knownScheme(scheme string) string {
	if slices.Contains(schemes, scheme) {
		return scheme
	}
	return ""
}

// parseReason returns the reason of a url.Error without the URL.
func parseReason(err error) string {
	if ue, ok := err.(*url.Error); ok {
		err = ue.Err
	}
	reason := err.Error()
	if i := strings.IndexByte(reason, '"'); i >= 0 { // the reason quotes a part of the URL
		reason = strings.TrimRight(reason[:i], " ")
	}
	return reason
}

// OptionType names the type in tables.
func (URL) OptionType() string { return "URL" }
