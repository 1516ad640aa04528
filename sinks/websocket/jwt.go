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
	jwksUnknown = 10 * time.Second // between two looks for a key that is not known
	jwksBytes   = 1 << 20          // of an answer
)

// verifier verifies signed tokens.
type verifier struct {
	opts   JWT
	parser *jwt.Parser
	key    any // of one key; else fetched
	// fetched is written by open while clients show tokens already: the HTTP server of the
	// gateway before may serve them.
	keySet atomic.Pointer[keySet]
}

// keySet are the issuer's keys, which are refreshed until cancel is called.
type keySet struct {
	keyfunc keyfunc.Keyfunc
	cancel  context.CancelFunc
}

// parseKey reads the key as the algorithm wants it.
func (j JWT) parseKey() (any, error) {
	text := []byte(j.Key.Reveal())
	var key crypto.PublicKey
	var err error
	switch j.Algorithm[:2] {
	case "HS":
		if len(text) < 32 {
			return nil, errors.New("is shorter than 32 bytes, and can be guessed")
		}
		return text, nil
	case "RS", "PS":
		key, err = jwt.ParseRSAPublicKeyFromPEM(text)
	case "ES":
		var ec *ecdsa.PublicKey
		if ec, err = jwt.ParseECPublicKeyFromPEM(text); err == nil && strconv.Itoa(ec.Curve.Params().BitSize) != map[string]string{"ES256": "256", "ES384": "384", "ES512": "521"}[j.Algorithm] {
			return nil, fmt.Errorf("is of the curve %s, which is not that of %s", ec.Curve.Params().Name, j.Algorithm)
		}
		key = ec
	default:
		key, err = jwt.ParseEdPublicKeyFromPEM(text)
	}
	if err != nil {
		return nil, fmt.Errorf("is not a public key for %s in PEM, which begins with -----BEGIN PUBLIC KEY", j.Algorithm)
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

// fetchKeys fetches the keys, and does so again from time to time.
func (v *verifier) fetchKeys(log *slog.Logger) error {
	if v.key != nil || v.keySet.Load() != nil {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	must := false // be there at once? no: the first fetch must
	keys, err := keyfunc.NewDefaultOverrideCtx(ctx, []string{v.opts.JWKS.Reveal()}, keyfunc.Override{
		Client:      jwksClient(),
		HTTPTimeout: jwksTimeout, RefreshInterval: jwksRefresh, NoErrorReturnFirstHTTPReq: &must,
		RefreshUnknownKID: rate.NewLimiter(rate.Every(jwksUnknown), 1), RateLimitWaitMax: 100 * time.Millisecond,
		RefreshErrorHandlerFunc: func(string) func(context.Context, error) {
			return func(_ context.Context, err error) {
				log.Warn("the keys of tokens cannot be fetched; those that are known go on", "from", v.opts.JWKS.Origin(), "error", err)
			}
		},
	})
	if err != nil {
		cancel()
		return fmt.Errorf("cannot fetch the keys of tokens from %s: %w", v.opts.JWKS.Origin(), err)
	}
	v.keySet.Store(&keySet{keys, cancel})
	return nil
}

// jwksClient returns a client that reads at most jwksBytes of an answer, and follows
// redirects within a host only.
func jwksClient() *http.Client {
	return &http.Client{
		Timeout: jwksTimeout, Transport: boundedBodies{http.DefaultTransport},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if from := via[0].URL; r.URL.Host != from.Host || r.URL.Scheme != from.Scheme || len(via) > 5 {
				return errors.New("it redirects to another place: write that address in auth.jwt.jwks")
			}
			return nil
		},
	}
}

// boundedBodies has reading an answer fail behind jwksBytes.
type boundedBodies struct{ http.RoundTripper }

// RoundTrip is part of [http.RoundTripper].
func (b boundedBodies) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, jwksBytes)
	}
	return resp, err
}

func (v *verifier) close() {
	if v == nil {
		return
	}
	if keys := v.keySet.Load(); keys != nil {
		keys.cancel()
	}
}

var (
	errNoKeySet = errors.New("the keys were not fetched yet")
	// errCritical refuses a token that says what must be understood to read it: this
	// gateway understands no extension (RFC 7515, section 4.1.11).
	errCritical = errors.New("its header crit names extensions, of which this server has none")
)

// verify checks the signature, by the one algorithm that is configured, and the claims: exp
// is required; exp, nbf and iat are honoured to within jwtLeeway.
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
	// Another program may have gone by the other one when it signed or checked it (RFC 7519, section 4).
	text, err := v.parser.DecodeSegment(strings.Split(parsed.Raw, ".")[1])
	if err != nil || !json.Valid(text) { // the parser reads the first value only
		return identity{}, errors.New("the token is refused: its claims are not one JSON object")
	}
	if rawjson.HasDuplicateKeys(text) {
		return identity{}, errors.New("the token is refused: it has a claim twice")
	}
	expires, err := claims.GetExpirationTime()
	if err != nil {
		return identity{}, errBadToken
	}
	return identity{claims, expires.Time}, nil
}
