package websocket

import (
	"crypto/ed25519"
	"crypto/rand"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"

	"eventgateway/gateway/options"
)

// jwksHandler serves a key set with one key, of which no private key is known.
func jwksHandler(t testing.TB) http.Handler {
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := jwkset.NewJWKFromKey(public, jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: "one"}})
	if err != nil {
		t.Fatal(err)
	}
	keys := jwkset.NewMemoryStorage()
	if err := keys.KeyWrite(t.Context(), jwk); err != nil {
		t.Fatal(err)
	}
	text, err := keys.JSONPublic(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(text) })
}

// TestUnknownKeyIsFetched: a token with an unknown key has the keys fetched again, and is refused if the key stays unknown.
func TestUnknownKeyIsFetched(t *testing.T) {
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
		conn, status := connect(server, "", bearerHeader(signed(t, jwt.SigningMethodEdDSA, key, jwt.MapClaims{"exp": inOneHour()}, kid)))
		if status != want {
			t.Errorf("key %s: %d, want %d", kid, status, want)
		}
		if conn != nil {
			conn.Close()
		}
	}
	try("one", 401) // before Open
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	try("one", 101)
	add("two")
	try("two", 101)
	for range 20 {
		try("unknown", 401)
	}
	try("one", 101)
	if n := fetched.Load(); n > 4 {
		t.Errorf("the keys were fetched %d times: clients can cause fetches", n)
	}
	issuer.Close()
	_, other := newSink(t, func(o *Options) { o.Auth.JWT = JWT{Algorithm: "EdDSA", JWKS: options.NewURL(issuer.URL)} }, httptest.NewServer)
	other.Close()
	v, err := newVerifier(JWT{Algorithm: "EdDSA", JWKS: options.NewURL(issuer.URL)})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.fetchKeys(s.env.Log); err == nil || !strings.Contains(err.Error(), "failed to fetch the keys") {
		t.Errorf("an issuer that is away: %v", err)
	}
}

// TestConnectWhileKeysAreFetched: clients may connect before and while the keys are fetched. The race detector proves it.
func TestConnectWhileKeysAreFetched(t *testing.T) {
	issuer := httptest.NewServer(jwksHandler(t))
	defer issuer.Close()
	v, err := newVerifier(JWT{Algorithm: "EdDSA", JWKS: options.NewURL(issuer.URL)})
	if err != nil {
		t.Fatal(err)
	}
	defer v.close()
	token := signed(t, jwt.SigningMethodHS256, []byte("x"), jwt.MapClaims{"exp": inOneHour()}, "none")
	token = "eyJhbGciOiJFZERTQSIsImtpZCI6Im5vbmUifQ" + token[strings.IndexByte(token, '.'):]
	if _, err := v.verify(t.Context(), token); err == nil || !strings.Contains(err.Error(), "not fetched yet") {
		t.Errorf("before the keys are fetched: %v", err)
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
	if err := v.fetchKeys(quietLog()); err != nil {
		t.Error(err)
	}
	close(stop)
	showing.Wait()
}

// TestKeySetResponseIsBounded: keys are refused if the response is too long, or redirects to another host.
func TestKeySetResponseIsBounded(t *testing.T) {
	keys := jwksHandler(t)
	padded := func(n int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat(" ", n))
			keys.ServeHTTP(w, r)
		})
	}
	other := httptest.NewServer(keys)
	defer other.Close()
	for name, c := range map[string]struct {
		answer http.Handler
		wrong  string
	}{
		"small":           {padded(1000), ""},
		"large":           {padded(2 << 20), "too large"},
		"of another host": {http.RedirectHandler(other.URL, http.StatusFound), "another host: write"},
	} {
		issuer := httptest.NewServer(c.answer)
		v, err := newVerifier(JWT{Algorithm: "EdDSA", JWKS: options.NewURL(issuer.URL)})
		if err != nil {
			t.Fatal(err)
		}
		err = v.fetchKeys(quietLog())
		if (err != nil) != (c.wrong != "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%s: %v", name, err)
		}
		v.close()
		issuer.Close()
	}
}
