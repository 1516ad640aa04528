package websocket

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
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

func soon() int64 { return time.Now().Add(time.Hour).Unix() }

// TestSignedTokens: each algorithm, and what forges them.
func TestSignedTokens(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	ecKey, ecErr := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	edPublic, edKey, edErr := ed25519.GenerateKey(rand.Reader)
	if err != nil || ecErr != nil || edErr != nil {
		t.Fatal(err, ecErr, edErr)
	}
	secret := strings.Repeat("s", 32)
	rsaPEM := publicPEM(t, &rsaKey.PublicKey)
	good := jwt.MapClaims{"sub": "7", "exp": soon(), "aud": "orders", "iss": "https://login.example"}
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
		tokens map[string]string // by what is the matter; "" is right
	}{
		"HS256": {options.NewSecret(secret), map[string]string{"": signed(t, jwt.SigningMethodHS256, []byte(secret), good, ""), "another secret": signed(t, jwt.SigningMethodHS256, []byte(strings.Repeat("x", 32)), good, ""), "HS512": signed(t, jwt.SigningMethodHS512, []byte(secret), good, "")}},
		"RS256": {rsaPEM, map[string]string{
			"": signed(t, jwt.SigningMethodRS256, rsaKey, good, ""), "alg none": signed(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, good, ""),
			"HS256 with the public key": signed(t, jwt.SigningMethodHS256, []byte(rsaPEM.Reveal()), good, ""),
			"expired":                   signed(t, jwt.SigningMethodRS256, rsaKey, with(jwt.MapClaims{"exp": time.Now().Add(-time.Minute).Unix()}), ""),
			"no exp":                    signed(t, jwt.SigningMethodRS256, rsaKey, with(jwt.MapClaims{"exp": nil}), ""),
			"not yet":                   signed(t, jwt.SigningMethodRS256, rsaKey, with(jwt.MapClaims{"nbf": soon()}), ""),
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

// TestKeysRotate: a key that is not known yet is fetched, and one that is nobody's refused.
func TestKeysRotate(t *testing.T) {
	keys := jwkset.NewMemoryStorage()
	private := map[string]ed25519.PrivateKey{}
	add := func(kid string) {
		public, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		jwk, err := jwkset.NewJWKFromKey(public, jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: kid}})
		if err != nil {
			t.Fatal(err)
		}
		if err := keys.KeyWrite(t.Context(), jwk); err != nil {
			t.Fatal(err)
		}
		private[kid] = key
	}
	add("one")
	var fetched atomic.Int64
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fetched.Add(1)
		text, err := keys.JSONPublic(r.Context())
		if err != nil {
			t.Error(err)
		}
		w.Write(text)
	}))
	defer issuer.Close()
	s, server := newSink(t, func(o *Options) { o.Auth.JWT = JWT{Algorithm: "EdDSA", JWKS: options.NewURL(issuer.URL)} }, httptest.NewServer)
	try := func(kid string, want int) {
		t.Helper()
		key := private[kid]
		if key == nil {
			_, key, _ = ed25519.GenerateKey(rand.Reader)
		}
		conn, status := connect(server, "", bearerHeader(signed(t, jwt.SigningMethodEdDSA, key, jwt.MapClaims{"exp": soon()}, kid)))
		if status != want {
			t.Errorf("key %s: %d, want %d", kid, status, want)
		}
		if conn != nil {
			conn.Close()
		}
	}
	try("one", 401) // it is not open yet
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	try("one", 101)
	add("two")
	try("two", 101)
	for range 20 {
		try("nobody's", 401)
	}
	try("one", 101)
	if n := fetched.Load(); n > 4 {
		t.Errorf("the keys were fetched %d times: strangers can have them fetched", n)
	}
	issuer.Close()
	_, other := newSink(t, func(o *Options) { o.Auth.JWT = JWT{Algorithm: "EdDSA", JWKS: options.NewURL(issuer.URL)} }, httptest.NewServer)
	other.Close()
	v, err := newVerifier(JWT{Algorithm: "EdDSA", JWKS: options.NewURL(issuer.URL)})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.open(s.env.Log); err == nil || !strings.Contains(err.Error(), "cannot fetch the keys") {
		t.Errorf("an issuer that is away: %v", err)
	}
}

// TestExpiry: a client is closed when its token ends, and as much later as clocks may differ.
func TestExpiry(t *testing.T) {
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
