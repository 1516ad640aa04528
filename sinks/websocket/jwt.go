package websocket

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"

	"eventgateway/gateway/rawjson"
)

const (
	jwtLeeway   = 5 * time.Second // between the clocks of the issuer and of this machine
	jwksTimeout = 10 * time.Second
	jwksRefresh = 15 * time.Minute
	jwksUnknown = 10 * time.Second // between two fetches for an unknown key
	jwksBytes   = 1 << 20          // of an answer
)

// verifier verifies signed tokens.
type verifier struct {
	opts   JWT
	parser *jwt.Parser
	key    any // the configured key; nil: use keySet
	// keySet is atomic because clients may connect before fetchKeys stores it: after a reload,
	// the HTTP server is already running.
	keySet atomic.Pointer[keySet]
}

// keySet is the keys of the issuer, which are refreshed until cancel is called.
type keySet struct {
	keyfunc keyfunc.Keyfunc
	cancel  context.CancelFunc
}

// parseKey returns the key in the type that the algorithm needs.
func (j JWT) parseKey() (any, error) {
	text := []byte(j.Key.Reveal())
	var key crypto.PublicKey
	var err error
	switch j.Algorithm[:2] {
	case "HS":
		if len(text) < 32 {
			return nil, errors.New("can be guessed: use at least 32 bytes")
		}
		return text, nil
	case "RS", "PS":
		key, err = jwt.ParseRSAPublicKeyFromPEM(text)
	case "ES":
		var ec *ecdsa.PublicKey
		if ec, err = jwt.ParseECPublicKeyFromPEM(text); err == nil && strconv.Itoa(ec.Curve.Params().BitSize) != map[string]string{"ES256": "256", "ES384": "384", "ES512": "521"}[j.Algorithm] {
			return nil, fmt.Errorf("is of the curve %s: use a key for %s", ec.Curve.Params().Name, j.Algorithm)
		}
		key = ec
	default:
		key, err = jwt.ParseEdPublicKeyFromPEM(text)
	}
	if err != nil {
		return nil, fmt.Errorf("is not a public key for %s: write one in PEM, which begins with -----BEGIN PUBLIC KEY", j.Algorithm)
	}
	return key, nil
}

func newVerifier(o JWT) (*verifier, error) {
	v := &verifier{opts: o}
	parserOptions := []jwt.ParserOption{jwt.WithValidMethods([]string{o.Algorithm}), jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(jwtLeeway), jwt.WithJSONNumber()}
	if o.Audience != "" {
		parserOptions = append(parserOptions, jwt.WithAudience(o.Audience))
	}
	if o.Issuer != "" {
		parserOptions = append(parserOptions, jwt.WithIssuer(o.Issuer))
	}
	v.parser = jwt.NewParser(parserOptions...)
	if !o.Key.IsZero() {
		var err error
		v.key, err = o.parseKey()
		return v, err
	}
	return v, nil
}

// fetchKeys fetches the keys, and refreshes them every jwksRefresh until close.
func (v *verifier) fetchKeys(log *slog.Logger) error {
	if v.key != nil || v.keySet.Load() != nil {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	noErrorOnFirstFetch := false
	keys, err := keyfunc.NewDefaultOverrideCtx(ctx, []string{v.opts.JWKS.Reveal()}, keyfunc.Override{
		Client:      jwksClient(),
		HTTPTimeout: jwksTimeout, RefreshInterval: jwksRefresh, NoErrorReturnFirstHTTPReq: &noErrorOnFirstFetch,
		RefreshUnknownKID: rate.NewLimiter(rate.Every(jwksUnknown), 1), RateLimitWaitMax: 100 * time.Millisecond,
		RefreshErrorHandlerFunc: func(string) func(context.Context, error) {
			return func(_ context.Context, err error) {
				log.Warn("key set refresh failed", "jwks", v.opts.JWKS.Origin(), "error", err)
			}
		},
	})
	if err != nil {
		cancel()
		return fmt.Errorf("failed to fetch the keys of tokens from %s: %w", v.opts.JWKS.Origin(), err)
	}
	v.keySet.Store(&keySet{keys, cancel})
	return nil
}

// jwksClient returns a client that reads at most jwksBytes of a response, and follows
// redirects within a host only.
func jwksClient() *http.Client {
	return &http.Client{
		Timeout: jwksTimeout, Transport: boundedBodies{http.DefaultTransport},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if from := via[0].URL; r.URL.Host != from.Host || r.URL.Scheme != from.Scheme || len(via) > 5 {
				return errors.New("it redirects to another host: write that address in auth.jwt.jwks")
			}
			return nil
		},
	}
}

// boundedBodies fails reads of a response beyond jwksBytes.
type boundedBodies struct{ http.RoundTripper }

// RoundTrip is part of [http.RoundTripper].
func (b boundedBodies) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, jwksBytes)
	}
	return resp, err
}

// close ends the refresh of the keys. v may be nil.
func (v *verifier) close() {
	if v == nil {
		return
	}
	if keys := v.keySet.Load(); keys != nil {
		keys.cancel()
	}
}

var (
	errNoKeySet = errors.New("the keys were not fetched yet: try again later")
	// errCritical refuses a token that requires extensions: this gateway supports none
	// (RFC 7515, section 4.1.11).
	errCritical = errors.New("its header crit names extensions, and this server supports none")
)

// verify checks the signature by the configured algorithm, and the claims: exp is required, and
// exp, nbf and iat are checked to within jwtLeeway.
func (v *verifier) verify(ctx context.Context, token string) (identity, error) {
	claims := jwt.MapClaims{}
	parsed, err := v.parser.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) {
		if _, critical := t.Header["crit"]; critical {
			return nil, errCritical
		}
		if v.key != nil {
			return v.key, nil
		}
		keys := v.keySet.Load()
		if keys == nil {
			return nil, errNoKeySet
		}
		return keys.keyfunc.KeyfuncCtx(ctx)(t)
	})
	if err != nil {
		return identity{}, fmt.Errorf("the token is refused: %s", strings.TrimPrefix(strings.ReplaceAll(err.Error(), "\n", ": "), "token is "))
	}
	// Of a repeated claim, another program may use the other value (RFC 7519, section 4).
	text, err := v.parser.DecodeSegment(strings.Split(parsed.Raw, ".")[1])
	if err != nil || !json.Valid(text) { // the parser ignores bytes behind the first value
		return identity{}, errors.New("the token is refused: its claims are not one JSON object")
	}
	if rawjson.HasDuplicateKeys(text) {
		return identity{}, errors.New("the token is refused: a claim is repeated")
	}
	expires, err := claims.GetExpirationTime()
	if err != nil {
		return identity{}, errBadToken
	}
	return identity{claims, expires.Time}, nil
}
