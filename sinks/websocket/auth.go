package websocket

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/options"
)

// Auth is the option auth: which clients may connect.
type Auth struct {
	Tokens  options.Map[options.Secret] `koanf:"tokens" doc:"tokens of clients that may connect, by name; the claim sub is the name"`
	JWT     JWT                         `koanf:"jwt"`
	Query   string                      `koanf:"query" doc:"name of a query parameter for the token, as in ?access_token=TOKEN"`
	Message bool                        `koanf:"message" doc:"whether a WebSocket client may also connect without a token, and send {\"type\":\"auth\",\"token\":\"...\"} first"`
}

// Docs is part of [options.Documented].
func (Auth) Docs() map[string]string {
	return map[string]string{
		"query":   "Empty: none, because URLs are often logged. Headers and subprotocols are always allowed",
		"message": "The client gets nothing before",
	}
}

// JWT is the option auth.jwt: which signed tokens are accepted (RFC 7519).
type JWT struct {
	Algorithm string         `koanf:"algorithm" rule:"oneof=|HS256|HS384|HS512|RS256|RS384|RS512|PS256|PS384|PS512|ES256|ES384|ES512|EdDSA" doc:"the only algorithm that is accepted; empty: no signed tokens"`
	Key       options.Secret `koanf:"key" doc:"shared secret of HS..., or public key in PEM"`
	JWKS      options.URL    `koanf:"jwks" rule:"scheme=https|http" doc:"address of the public keys, instead of key; they may change while the gateway runs"`
	Audience  string         `koanf:"audience" doc:"required claim aud; empty: any"`
	Issuer    string         `koanf:"issuer" doc:"required claim iss; empty: any"`
}

// required reports whether clients need a token.
func (a Auth) required() bool { return len(a.Tokens) > 0 || a.JWT.Algorithm != "" }

// NeedsToken is part of [plugin.TokenHandler].
func (s *sink) NeedsToken() bool { return s.opts.Auth.required() }

// check is part of [Options.Check].
func (a Auth) check(report func(option, text string)) {
	j := a.JWT
	switch {
	case j.Algorithm == "" && (!j.Key.IsZero() || !j.JWKS.IsZero()):
		report("auth.jwt.algorithm", "is required to verify tokens: set the algorithm of the issuer")
	case j.Algorithm != "" && j.Key.IsZero() == j.JWKS.IsZero():
		report("auth.jwt.key", "is required, or jwks instead: set exactly one")
	case strings.HasPrefix(j.Algorithm, "HS") && !j.JWKS.IsZero():
		report("auth.jwt.jwks", "holds public keys, with which "+j.Algorithm+" does not work: write RS256, ES256 or EdDSA")
	case j.Algorithm != "" && !j.Key.IsZero():
		if _, err := j.parseKey(); err != nil {
			report("auth.jwt.key", err.Error())
		}
	}
	if !a.required() && (a.Query != "" || a.Message) {
		report("auth", "has no tokens: set tokens or jwt")
	}
	for _, t := range a.Tokens {
		if len(t.Value.Reveal()) < 16 {
			report("auth.tokens."+t.Key, "can be guessed: use at least 16 characters")
		}
	}
}

// authMessage is how long a client may take to send its token by message.
const authMessage = 10 * time.Second

// bearer begins a subprotocol that is a token: in browsers, no other header can be set.
const bearer = "bearer."

// identity is the content of a verified token.
type identity struct {
	claims  map[string]any
	expires time.Time // zero: never
}

var (
	errNoToken  = errors.New("a token is required: send it in the header Authorization: Bearer TOKEN, or as subprotocol " + bearer + "TOKEN")
	errBadToken = errors.New("the token is not valid here: request a new one")
)

// token returns the token of a request, "" if it has none.
func (a Auth) token(r *http.Request) string {
	if kind, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(kind, "Bearer") {
		return strings.TrimSpace(token)
	}
	for _, p := range websocket.Subprotocols(r) {
		if token, ok := strings.CutPrefix(p, bearer); ok {
			return token
		}
	}
	if a.Query != "" {
		return r.URL.Query().Get(a.Query)
	}
	return ""
}

// verify returns the identity of a valid token.
func (s *sink) verify(ctx context.Context, token string) (identity, error) {
	if token == "" {
		return identity{}, errNoToken
	}
	shown, found := sha256.Sum256([]byte(token)), ""
	for _, t := range s.opts.Auth.Tokens { // all of them, so that the time does not depend on the token
		known := sha256.Sum256([]byte(t.Value.Reveal()))
		if subtle.ConstantTimeCompare(shown[:], known[:]) == 1 {
			found = t.Key
		}
	}
	if found != "" {
		return identity{claims: map[string]any{"sub": found}}, nil
	}
	if s.jwt == nil {
		return identity{}, errBadToken
	}
	return s.jwt.verify(ctx, token)
}

// authenticate verifies the token of a request, before the upgrade. If the client may send it by
// message, it sets awaitingToken.
func (c *client) authenticate(r *http.Request) (status int, err error) {
	s := c.sink
	if !s.opts.Auth.required() {
		return 0, nil
	}
	token := s.opts.Auth.token(r)
	if token == "" && s.opts.Auth.Message && isUpgrade(r) {
		c.awaitingToken = true
		return 0, nil
	}
	who, err := s.verify(r.Context(), token)
	if err != nil {
		return http.StatusUnauthorized, err
	}
	if err := c.grant(who); err != nil {
		return http.StatusForbidden, err
	}
	return 0, nil
}

// grant sets the rights of the client, and when they expire.
func (c *client) grant(who identity) (err error) {
	if c.rights, err = rightsOf(c.sink.opts.Authorize, who.claims); err != nil {
		return err
	}
	c.expires = who.expires
	c.setSubject(who.claims)
	return nil
}

// authenticated reports whether the client gets messages: it has sent a token, or needs none.
func (c *client) authenticated() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.admitted
}
