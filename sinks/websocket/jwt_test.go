package websocket

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"

	"eventgateway/gateway/options"
)

func signed(t testing.TB, method jwt.SigningMethod, key any, claims jwt.MapClaims, kid string) string {
	t.Helper()
	token := jwt.NewWithClaims(method, claims)
	if kid != "" {
		token.Header["kid"] = kid
	}
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func publicPEM(t testing.TB, key any) options.Secret {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return options.NewSecret(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
}

func inOneHour() int64 { return time.Now().Add(time.Hour).Unix() }

// TestSignedTokens: each algorithm accepts its own tokens, and refuses forged ones.
func TestSignedTokens(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	ecKey, ecErr := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	edPublic, edKey, edErr := ed25519.GenerateKey(rand.Reader)
	if err != nil || ecErr != nil || edErr != nil {
		t.Fatal(err, ecErr, edErr)
	}
	secret := strings.Repeat("s", 32)
	rsaPEM := publicPEM(t, &rsaKey.PublicKey)
	good := jwt.MapClaims{"sub": "7", "exp": inOneHour(), "aud": "orders", "iss": "https://login.example"}
	with := func(changes jwt.MapClaims) jwt.MapClaims {
		c := jwt.MapClaims{}
		for k, v := range good {
			c[k] = v
		}
		for k, v := range changes {
			if v == nil {
				delete(c, k)
			} else {
				c[k] = v
			}
		}
		return c
	}
	for algorithm, c := range map[string]struct {
		key    options.Secret
		tokens map[string]string // by their fault; "" is valid
	}{
		"HS256": {options.NewSecret(secret), map[string]string{"": signed(t, jwt.SigningMethodHS256, []byte(secret), good, ""), "another secret": signed(t, jwt.SigningMethodHS256, []byte(strings.Repeat("x", 32)), good, ""), "HS512": signed(t, jwt.SigningMethodHS512, []byte(secret), good, "")}},
		"RS256": {rsaPEM, map[string]string{
			"": signed(t, jwt.SigningMethodRS256, rsaKey, good, ""), "alg none": signed(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, good, ""),
			"HS256 with the public key": signed(t, jwt.SigningMethodHS256, []byte(rsaPEM.Reveal()), good, ""),
			"expired":                   signed(t, jwt.SigningMethodRS256, rsaKey, with(jwt.MapClaims{"exp": time.Now().Add(-time.Minute).Unix()}), ""),
			"no exp":                    signed(t, jwt.SigningMethodRS256, rsaKey, with(jwt.MapClaims{"exp": nil}), ""),
			"not yet":                   signed(t, jwt.SigningMethodRS256, rsaKey, with(jwt.MapClaims{"nbf": inOneHour()}), ""),
			"another audience":          signed(t, jwt.SigningMethodRS256, rsaKey, with(jwt.MapClaims{"aud": "invoices"}), ""),
			"no audience":               signed(t, jwt.SigningMethodRS256, rsaKey, with(jwt.MapClaims{"aud": nil}), ""),
			"another issuer":            signed(t, jwt.SigningMethodRS256, rsaKey, with(jwt.MapClaims{"iss": "https://evil.example"}), ""),
			"garbage":                   "a.b.c", "cut": strings.TrimSuffix(signed(t, jwt.SigningMethodRS256, rsaKey, good, ""), "abc")[:200],
		}},
		"ES256": {publicPEM(t, &ecKey.PublicKey), map[string]string{"": signed(t, jwt.SigningMethodES256, ecKey, good, ""), "RS256": signed(t, jwt.SigningMethodRS256, rsaKey, good, "")}},
		"EdDSA": {publicPEM(t, edPublic), map[string]string{"": signed(t, jwt.SigningMethodEdDSA, edKey, good, "")}},
	} {
		_, server := newSink(t, func(o *Options) {
			o.Auth.JWT = JWT{Algorithm: algorithm, Key: c.key, Audience: "orders", Issuer: "https://login.example"}
		}, httptest.NewServer)
		for what, token := range c.tokens {
			conn, status := connect(server, "", bearerHeader(token))
			if want := map[bool]int{true: 101, false: 401}[what == ""]; status != want {
				t.Errorf("%s, %s: %d", algorithm, what, status)
			}
			if conn != nil {
				conn.Close()
			}
		}
	}
}

// TestExpiredTokenClosesClient: a client is closed when its token expires, later by the difference allowed between clocks.
func TestExpiredTokenClosesClient(t *testing.T) {
	secret := strings.Repeat("s", 32)
	s, server := newSink(t, func(o *Options) { o.Auth.JWT = JWT{Algorithm: "HS256", Key: options.NewSecret(secret)} }, httptest.NewServer)
	conn, status := connect(server, "", bearerHeader(signed(t, jwt.SigningMethodHS256, []byte(secret), jwt.MapClaims{"exp": time.Now().Add(2*time.Second - jwtLeeway).Unix()}, "")))
	if status != 101 {
		t.Fatal(status)
	}
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, closePolicy) || !strings.Contains(err.Error(), "expired") {
		t.Errorf("ended with %v", err)
	}
	awaitClients(t, s, 0)
}

// TestCriticalHeaderIsRefused: a token whose header has crit is refused, because no extension is supported (RFC 7515,
// section 4.1.11).
func TestCriticalHeaderIsRefused(t *testing.T) {
	secret := strings.Repeat("s", 32)
	_, server := newSink(t, func(o *Options) { o.Auth.JWT = JWT{Algorithm: "HS256", Key: options.NewSecret(secret)} }, httptest.NewServer)
	for what, crit := range map[string]any{
		"an extension": []string{"b64"}, "two": []string{"b64", "exp"}, "an empty list": []string{}, "no list": "b64", "null": nil,
	} {
		token := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"exp": inOneHour()})
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

// TestTokenTimesAreChecked: a token from the future is refused, except for a few seconds between clocks.
func TestTokenTimesAreChecked(t *testing.T) {
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
		claims := jwt.MapClaims{"exp": inOneHour()}
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

// TestClaimsMustBeOneObject: a token with bytes behind its claims is refused.
func TestClaimsMustBeOneObject(t *testing.T) {
	_, server := newSink(t, func(o *Options) { o.Auth.JWT = JWT{Algorithm: "HS256", Key: options.NewSecret(rightsSecret)} }, httptest.NewServer)
	for claims, want := range map[string]int{
		fmt.Sprintf(`{"exp":%d}`, inOneHour()):                101,
		fmt.Sprintf(`{"exp":%d}{"sub":"other"}`, inOneHour()): 401,
		fmt.Sprintf(`{"exp":%d} and more`, inOneHour()):       401,
	} {
		encode := base64.RawURLEncoding.EncodeToString
		token := encode([]byte(`{"alg":"HS256"}`)) + "." + encode([]byte(claims))
		mac := hmac.New(sha256.New, []byte(rightsSecret))
		mac.Write([]byte(token))
		conn, status := connect(server, "", bearerHeader(token+"."+encode(mac.Sum(nil))))
		if status != want {
			t.Errorf("%s: %d, want %d", claims, status, want)
		}
		if conn != nil {
			conn.Close()
		}
	}
}

// TestRepeatedClaimIsRefused: a token with a repeated claim is refused, because other programs may use the other value.
func TestRepeatedClaimIsRefused(t *testing.T) {
	_, server := newSink(t, func(o *Options) {
		o.Auth.JWT = JWT{Algorithm: "HS256", Key: options.NewSecret(rightsSecret)}
	}, httptest.NewServer)
	for claims, want := range map[string]int{
		`{"sub":"7","exp":%d}`: 101, `{"sub":"7","sub":"8","exp":%d}`: 401, `{"sub":"7","\u0073ub":"8","exp":%d}`: 401, `{"exp":%d,"org":{"ids":[{"a":1,"a":2}]}}`: 401, `{"exp":%d,"sub":"7","Sub":"8"}`: 101,
	} {
		text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256"}`)) + "." + base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, claims, inOneHour()))
		signature, err := jwt.SigningMethodHS256.Sign(text, []byte(rightsSecret))
		if err != nil {
			t.Fatal(err)
		}
		conn, status := connect(server, "", bearerHeader(text+"."+base64.RawURLEncoding.EncodeToString(signature)))
		if status != want {
			t.Errorf("%s: %d, want %d", claims, status, want)
		}
		if conn != nil {
			conn.Close()
		}
	}
}

// TestExpiryHasLeeway: a client whose token expired a moment ago is not closed at once.
func TestExpiryHasLeeway(t *testing.T) {
	s, _ := newSink(t, nil, httptest.NewServer)
	c := newClient(s, "", "", nil)
	c.expires = time.Now().Add(-time.Second)
	c.expire()
	if !c.timer.Stop() {
		t.Error("the timer has run")
	}
}
