package websocket

import (
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"eventgateway/gateway/options"
)

// TestCriticalHeaders: a token whose header names what must be understood is refused, as
// nothing beyond the standard's own is (RFC 7515, section 4.1.11).
func TestCriticalHeaders(t *testing.T) {
	secret := strings.Repeat("s", 32)
	_, server := newSink(t, func(o *Options) { o.Auth.JWT = JWT{Algorithm: "HS256", Key: options.NewSecret(secret)} }, httptest.NewServer)
	for what, crit := range map[string]any{
		"an extension": []string{"b64"}, "two": []string{"b64", "exp"}, "an empty list": []string{}, "no list": "b64", "null": nil,
	} {
		token := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"exp": soon()})
		token.Header["crit"], token.Header["b64"] = crit, true
		text, err := token.SignedString([]byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		if _, status := connect(server, "", bearerHeader(text)); status != 401 {
			t.Errorf("crit is %s: %d", what, status)
		}
	}
}

// TestTokenTimes: a token from the future is refused, but for a few seconds between clocks.
func TestTokenTimes(t *testing.T) {
	secret := strings.Repeat("s", 32)
	_, server := newSink(t, func(o *Options) { o.Auth.JWT = JWT{Algorithm: "HS256", Key: options.NewSecret(secret)} }, httptest.NewServer)
	for what, c := range map[string]struct {
		claim  string
		after  time.Duration
		status int
	}{
		"issued in the future":        {"iat", time.Hour, 401},
		"issued a moment ahead":       {"iat", time.Second, 101},
		"issued a while ago":          {"iat", -time.Hour, 101},
		"not valid yet":               {"nbf", time.Hour, 401},
		"valid in a moment":           {"nbf", time.Second, 101},
		"expired, but for the clocks": {"exp", -time.Second, 101},
		"expired":                     {"exp", -time.Hour, 401},
	} {
		claims := jwt.MapClaims{"exp": soon()}
		claims[c.claim] = time.Now().Add(c.after).Unix()
		conn, status := connect(server, "", bearerHeader(signed(t, jwt.SigningMethodHS256, []byte(secret), claims, "")))
		if status != c.status {
			t.Errorf("%s: %d, want %d", what, status, c.status)
		}
		if conn != nil {
			conn.Close()
		}
	}
}

// TestKeysArriveWhileTokensAreShown: clients connect before and while the keys are fetched.
// The race detector looks on.
func TestKeysArriveWhileTokensAreShown(t *testing.T) {
	issuer := httptest.NewServer(jwksHandler(t))
	defer issuer.Close()
	v, err := newVerifier(JWT{Algorithm: "EdDSA", JWKS: options.NewURL(issuer.URL)})
	if err != nil {
		t.Fatal(err)
	}
	defer v.close()
	token := signed(t, jwt.SigningMethodHS256, []byte("x"), jwt.MapClaims{"exp": soon()}, "none")
	token = "eyJhbGciOiJFZERTQSIsImtpZCI6Im5vbmUifQ" + token[strings.IndexByte(token, '.'):]
	if _, err := v.verify(t.Context(), token); err == nil || !strings.Contains(err.Error(), "not fetched yet") {
		t.Errorf("before the keys are there: %v", err)
	}
	stop := make(chan struct{})
	var showing sync.WaitGroup
	for range 4 {
		showing.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_, _ = v.verify(t.Context(), token)
				}
			}
		})
	}
	if err := v.open(quietLog()); err != nil {
		t.Error(err)
	}
	close(stop)
	showing.Wait()
}
