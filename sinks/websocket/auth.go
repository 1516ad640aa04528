package websocket

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/options"
)

// Auth says who may connect.
type Auth struct {
	Tokens  options.Map[options.Secret] `koanf:"tokens" doc:"name: token of clients that may connect; the claim sub is the name"`
	JWT     JWT                         `koanf:"jwt"`
	Query   string                      `koanf:"query" doc:"name of a query parameter that may hold the token, as in ?access_token=TOKEN"`
	Message bool                        `koanf:"message" doc:"true: a WebSocket client may also connect without a token, and send {\"type\":\"auth\",\"token\":\"...\"} first"`
}

// Docs is part of [options.Documented].
func (Auth) Docs() map[string]string {
	return map[string]string{
		"query":   "Empty: none, for such a token stands in logs. Headers and subprotocols always may",
		"message": "Until then it gets nothing",
	}
}

// JWT says which signed tokens are taken (RFC 7519).
type JWT struct {
	Algorithm string         `koanf:"algorithm" rule:"oneof=|HS256|HS384|HS512|RS256|RS384|RS512|PS256|PS384|PS512|ES256|ES384|ES512|EdDSA" doc:"the one algorithm that tokens are signed with; empty: no such tokens"`
	Key       options.Secret `koanf:"key" doc:"shared secret of HS..., or public key in PEM"`
	JWKS      options.URL    `koanf:"jwks" rule:"scheme=https|http" doc:"where the public keys are, in the place of key: they may change while the gateway runs"`
	Audience  string         `koanf:"audience" doc:"aud that a token must have; empty: any"`
	Issuer    string         `koanf:"issuer" doc:"iss that a token must have; empty: any"`
}

func (a Auth) required() bool { return len(a.Tokens) > 0 || a.JWT.Algorithm != "" }

// check is a part of Options.Check.
func (a Auth) check(report func(option, text string)) {
	j := a.JWT
	switch {
	case j.Algorithm == "" && (!j.Key.IsZero() || !j.JWKS.IsZero()):
		report("auth.jwt.algorithm", "is required: a token does not say itself how it is to be verified")
	case j.Algorithm != "" && j.Key.IsZero() == j.JWKS.IsZero():
		report("auth.jwt.key", "either key or jwks is required")
	case strings.HasPrefix(j.Algorithm, "HS") && !j.JWKS.IsZero():
		report("auth.jwt.jwks", "holds public keys, with which "+j.Algorithm+" does not work: write RS256, ES256 or EdDSA")
	case j.Algorithm != "" && !j.Key.IsZero():
		if _, err := j.parseKey(); err != nil {
			report("auth.jwt.key", err.Error())
		}
	}
	if !a.required() && (a.Query != "" || a.Message) {
		report("auth", "there are no tokens to be shown: set tokens or jwt")
	}
	for _, t := range a.Tokens {
		if len(t.Value.Reveal()) < 16 {
			report("auth.tokens."+t.Key, "is shorter than 16 characters, and can be guessed")
		}
	}
}

// authMessage is how long a client may take to show a token by message.
const authMessage = 10 * time.Second

// bearer is what a subprotocol begins with that is a token: browsers can send no other header.
const bearer = "bearer."

// identity is what a client has proved to be.
type identity struct {
	claims  map[string]any
	expires time.Time // zero: never
}

var (
	errNoToken  = errors.New("a token is required: in the header Authorization: Bearer TOKEN, or as subprotocol " + bearer + "TOKEN")
	errBadToken = errors.New("the token is not one of this server's")
)

// token returns the token that a request shows, "" where it shows none.
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

// verify says who shows a token.
func (s *sink) verify(ctx context.Context, token string) (identity, error) {
	if token == "" {
		return identity{}, errNoToken
	}
	shown, found := sha256.Sum256([]byte(token)), ""
	for _, t := range s.opts.Auth.Tokens { // all of them, in a time that says nothing
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

// authenticate finds out who a client is, before the upgrade where it shows a token then.
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

// grant gives the client the rights of who it is.
func (c *client) grant(who identity) (err error) {
	if c.rights, err = rightsOf(c.sink.opts.Authorize, who.claims); err != nil {
		return err
	}
	c.expires = who.expires
	return nil
}

// receiveToken takes the token of a client that has shown none before.
func (c *client) receiveToken(token string) error {
	if !c.awaitingToken {
		return fmt.Errorf("this client is known already")
	}
	ctx, cancel := context.WithTimeout(context.Background(), authMessage)
	defer cancel()
	who, err := c.sink.verify(ctx, token)
	if err == nil {
		err = c.grant(who)
	}
	if err != nil {
		c.close(closeFrame(closePolicy, err.Error()), "auth", false)
		return nil
	}
	if err := c.subscribe(c.request); err != nil { // there is no room: it may come again
		c.close(closeFrame(closeSlow, err.Error()), "auth", false)
		return nil
	}
	c.awaitingToken = false
	c.expire()
	return nil
}

// authenticated says whether the client has shown a token, where one is required.
func (c *client) authenticated() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.topic != c.sink.hub.unauthenticated
}

// expire ends the client when its token does, or when it has shown none for too long.
func (c *client) expire() {
	after, why := time.Until(c.expires)+jwtLeeway, "the token has expired" // as verify takes it
	if c.awaitingToken {
		after, why = authMessage, errNoToken.Error()
	}
	c.stopTimer()
	if c.awaitingToken || !c.expires.IsZero() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.timer = time.AfterFunc(max(after, 0), func() { c.close(closeFrame(closePolicy, why), "auth", false) })
	}
}

func (c *client) stopTimer() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
	}
}
