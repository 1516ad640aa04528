package websocket

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
)

// connect dials with a header and a query, and returns the status of the answer.
func connect(server *httptest.Server, query string, header http.Header) (*websocket.Conn, int) {
	conn, resp, err := websocket.DefaultDialer.Dial(strings.Replace(server.URL, "http", "ws", 1)+"/?"+query, header)
	if resp == nil {
		return nil, 0
	}
	if err == nil {
		conn.SetReadDeadline(time.Now().Add(testenv.Wait))
	}
	return conn, resp.StatusCode
}

func bearerHeader(token string) http.Header {
	return http.Header{"Authorization": {"Bearer " + token}}
}

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

// TestTokens: by header, subprotocol, and query where it is allowed; all else is refused
// before the upgrade.
func TestTokens(t *testing.T) {
	const token = "correct-horse-battery"
	s, server := newSink(t, func(o *Options) {
		o.Auth.Tokens = options.Map[options.Secret]{{Key: "other", Value: options.NewSecret("staple-staple-staple")}, {Key: "shop", Value: options.NewSecret(token)}}
		o.Auth.Query = "access_token"
	}, httptest.NewServer)
	for name, c := range map[string]struct {
		query  string
		header http.Header
		status int
	}{
		"header":        {"", bearerHeader(token), 101},
		"another":       {"", bearerHeader("staple-staple-staple"), 101},
		"subprotocol":   {"", http.Header{"Sec-WebSocket-Protocol": {Protocol + ", bearer." + token}}, 101},
		"query":         {"access_token=" + token, nil, 101},
		"none":          {"", nil, 401},
		"wrong":         {"", bearerHeader(token + "x"), 401},
		"empty":         {"access_token=", bearerHeader(""), 401},
		"another query": {"token=" + token, nil, 401},
		"basic":         {"", http.Header{"Authorization": {"Basic " + token}}, 401},
	} {
		conn, status := connect(server, c.query, c.header)
		if status != c.status {
			t.Errorf("%s: %d", name, status)
		}
		if conn != nil {
			if p := conn.Subprotocol(); strings.Contains(p, "bearer") {
				t.Errorf("%s: the token is sent back as subprotocol", name)
			}
			conn.Close()
		}
	}
	req, _ := http.NewRequest("GET", server.URL, nil)
	req.Header.Set("Accept", "text/event-stream")
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != 401 || resp.Header.Get("WWW-Authenticate") == "" {
		t.Errorf("server-sent events: %v, %v", resp, err)
	}
	resp.Body.Close()
	awaitClients(t, s, 0)
}

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

// TestExpiry: a client is closed when its token ends.
func TestExpiry(t *testing.T) {
	secret := strings.Repeat("s", 32)
	s, server := newSink(t, func(o *Options) { o.Auth.JWT = JWT{Algorithm: "HS256", Key: options.NewSecret(secret)} }, httptest.NewServer)
	conn, status := connect(server, "", bearerHeader(signed(t, jwt.SigningMethodHS256, []byte(secret), jwt.MapClaims{"exp": time.Now().Add(2 * time.Second).Unix()}, "")))
	if status != 101 {
		t.Fatal(status)
	}
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, closePolicy) || !strings.Contains(err.Error(), "expired") {
		t.Errorf("ended with %v", err)
	}
	awaitClients(t, s, 0)
}

// TestTokenByMessage: nothing comes before it.
func TestTokenByMessage(t *testing.T) {
	const token = "correct-horse-battery"
	s, server := newSink(t, func(o *Options) {
		o.Auth.Tokens = options.Map[options.Secret]{{Key: "shop", Value: options.NewSecret(token)}}
		o.Auth.Message = true
		o.Welcome = options.Map[string]{{Key: "type", Value: "welcome"}}
	}, httptest.NewServer)
	conn, status := connect(server, "filter="+url.QueryEscape("n > 1"), http.Header{"Sec-WebSocket-Protocol": {Protocol}})
	if status != 101 {
		t.Fatal(status)
	}
	awaitClients(t, s, 1)
	s.send(t, orders(0, 10)...)
	write := func(c *websocket.Conn, text string) {
		if err := c.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	write(conn, `{"type":"subscribe"}`) // not yet
	write(conn, `{"type":"ping","timestamp":1}`)
	if got := read(t, conn); !strings.HasPrefix(got, `{"type":"pong"`) {
		t.Errorf("got %s", got)
	}
	write(conn, `{"type":"auth","token":"`+token+`"}`)
	if a, b := read(t, conn), read(t, conn); a != `{"type":"welcome"}` || !strings.HasPrefix(b, `{"type":"subscribed"`) {
		t.Errorf("got %s and %s", a, b)
	}
	s.send(t, orders(1, 2)...)
	if got := read(t, conn); got != `{"n":2,"status":"new"}` {
		t.Errorf("got %s", got)
	}
	write(conn, `{"type":"auth","token":"`+token+`"}`)
	if got := read(t, conn); !strings.Contains(got, "known already") {
		t.Errorf("got %s", got)
	}
	stranger, _ := connect(server, "", nil)
	write(stranger, `{"type":"auth","token":"wrong-horse-battery"}`)
	if _, _, err := stranger.ReadMessage(); !websocket.IsCloseError(err, closePolicy) {
		t.Errorf("ended with %v", err)
	}
}

// TestTenants never see each other's orders: live, in the history, and in server-sent
// events; by an equality, and by another condition.
func TestTenants(t *testing.T) {
	secret := strings.Repeat("s", 32)
	for _, rule := range []string{"order.customer_id == claims.sub", "order.customer_id == claims.sub && true"} {
		s, server := newSink(t, func(o *Options) {
			o.Auth.JWT = JWT{Algorithm: "HS256", Key: options.NewSecret(secret)}
			o.Auth.Query = "token"
			if err := o.Authorize.UnmarshalText([]byte(rule)); err != nil {
				t.Fatal(err)
			}
		}, httptest.NewServer)
		token := func(sub string) string {
			return signed(t, jwt.SigningMethodHS256, []byte(secret), jwt.MapClaims{"sub": sub, "exp": soon()}, "")
		}
		of := func(tenant string, n int) *event.Event {
			return &event.Event{Data: fmt.Appendf(nil, `{"order":{"customer_id":"%s","n":%d}}`, tenant, n)}
		}
		tenants := []string{"ada", "grace"}
		var followers []*follower
		var streams []*eventSource
		for _, tenant := range tenants {
			followers = append(followers, follow(t, server, url.Values{"token": {token(tenant)}}))
			streams = append(streams, listen(t, server, "filter=order.n%3E0&token="+token(tenant), ""))
			streams[len(streams)-1].next() // subscribed
		}
		strange := []*event.Event{{Data: []byte("text")}, {Data: []byte(`{"order":null}`)}, {Data: []byte(`{"order":{"customer_id":null}}`)}, {Data: []byte(`{"order":{"customer_id":""}}`)}, {}}
		for n := range 50 {
			s.send(t, of("ada", n), of("grace", n), of("other", n))
			s.send(t, strange...)
		}
		for i, tenant := range tenants {
			f := followers[i]
			f.conn.Close()
			s.send(t, of("ada", 50+2*i), of("grace", 50+2*i), of("other", 50+2*i))
			f.connect()
			f.wantRecovered(true)
			f.until(string(of(tenant, 50+2*i).Data))
			s.send(t, of("ada", 51+2*i), of("grace", 51+2*i))
			f.until(string(of(tenant, 51+2*i).Data))
			for _, msg := range f.got {
				if !strings.Contains(msg, `"`+tenant+`"`) {
					t.Errorf("%s gets %s", tenant, msg)
				}
			}
			if want := 52 + 2*i; len(f.got) != want {
				t.Errorf("%s: %d messages, want %d", tenant, len(f.got), want)
			}
			for n := 1; n < 50; n++ {
				streams[i].want("", string(of(tenant, n).Data))
			}
		}
		if _, status := connect(server, "token="+token(""), nil); rule == "order.customer_id == claims.sub" && status != 403 {
			t.Errorf("without the claim: %d", status)
		}
	}
}

func TestAuthChecks(t *testing.T) {
	pemKey := publicPEM(t, func() any { k, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader); return &k.PublicKey }())
	for want, set := range map[string]func(*Options){
		"auth.jwt.algorithm: is required":  func(o *Options) { o.Auth.JWT.Key = options.NewSecret("x") },
		"auth.jwt.key: either key or jwks": func(o *Options) { o.Auth.JWT.Algorithm = "RS256" },
		"auth.jwt.key: is not a public":    func(o *Options) { o.Auth.JWT = JWT{Algorithm: "RS256", Key: pemKey} },
		"auth.jwt.key: is shorter":         func(o *Options) { o.Auth.JWT = JWT{Algorithm: "HS256", Key: options.NewSecret("short")} },
		"auth.jwt.jwks: holds public":      func(o *Options) { o.Auth.JWT = JWT{Algorithm: "HS256", JWKS: options.NewURL("https://x")} },
		"auth.tokens.a: is shorter": func(o *Options) {
			o.Auth.Tokens = options.Map[options.Secret]{{Key: "a", Value: options.NewSecret("x")}}
		},
		"auth: there are no tokens": func(o *Options) { o.Auth.Message = true },
		"authorize: without auth":   func(o *Options) { _ = o.Authorize.UnmarshalText([]byte("a == claims.b")) },
	} {
		o := Type().Defaults().(*Options)
		set(o)
		var got []string
		o.Check(func(option, text string) { got = append(got, option+": "+text) })
		if !slices.ContainsFunc(got, func(g string) bool { return strings.HasPrefix(g, want) }) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
