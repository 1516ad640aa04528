package app

import (
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"eventgateway/gateway/testenv"
)

// send sends a request, and returns the answer with its body closed.
func send(t *testing.T, method, url, host string, header http.Header, cookies ...*http.Cookie) *http.Response {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	for name, values := range header {
		req.Header[name] = values
	}
	for _, c := range cookies {
		req.AddCookie(c)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

func authorization(token string) http.Header {
	return http.Header{"Authorization": {"Bearer " + token}}
}

// TestCookieOpensAPI proves that a page gets a cookie for the secret or for a link, and that the cookie
// opens /api for pages of the same origin only.
func TestCookieOpensAPI(t *testing.T) {
	r := startGateway(t, writeConfig(t, adminConfig), nil)
	base := "http://127.0.0.1:" + r.port
	for name, token := range map[string]string{"secret": r.secret(), "link": strings.TrimPrefix(r.admin.Link(false), "#token=")} {
		header := authorization(token)
		header.Set("X-Forwarded-Proto", "https")
		resp := send(t, "POST", base+"/api/session", "", header)
		if resp.StatusCode != http.StatusNoContent || len(resp.Cookies()) != 1 {
			t.Fatalf("%s: %s, %v", name, resp.Status, resp.Cookies())
		}
		c := resp.Cookies()[0]
		if !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteStrictMode || c.Path != "" || c.MaxAge <= 0 || strings.Contains(c.Value, r.secret()) {
			t.Errorf("%s: the cookie is %+v", name, c)
		}
		forged := *c
		forged.Value = strings.Replace(c.Value, ".", "1.", 1)
		for what, want := range map[string]struct {
			header http.Header
			cookie *http.Cookie
			status int
		}{
			"the cookie":       {nil, c, 200},
			"from the page":    {http.Header{"Sec-Fetch-Site": {"same-origin"}}, c, 200},
			"from a neighbour": {http.Header{"Sec-Fetch-Site": {"same-site"}}, c, 401},
			"from elsewhere":   {http.Header{"Sec-Fetch-Site": {"cross-site"}}, c, 401},
			"a wrong secret":   {authorization("wrong"), c, 401},
			"a forged one":     {nil, &forged, 401},
		} {
			if resp := send(t, "GET", base+"/api/dead-letters", "shop.example", want.header, want.cookie); resp.StatusCode != want.status {
				t.Errorf("%s, %s: %s, want %d", name, what, resp.Status, want.status)
			}
		}
		if resp := send(t, "POST", base+"/api/session", "", nil, c); resp.StatusCode != 401 || len(resp.Cookies()) > 0 {
			t.Errorf("%s: the cookie makes a cookie: %s", name, resp.Status)
		}
	}
	if resp := send(t, "POST", base+"/api/session", "", authorization("wrong")); resp.StatusCode != 401 || len(resp.Cookies()) > 0 {
		t.Errorf("a wrong secret gets a cookie: %s", resp.Status)
	}
	if resp := send(t, "POST", base+"/api/session", "", authorization(r.secret())); resp.Cookies()[0].Secure {
		t.Error("over http a browser never sends the cookie")
	}
}

// TestConfiguredSecretReplacesGeneratedOne proves that a configured secret is never printed, and that after a reload
// without it the generated one is used.
func TestConfiguredSecretReplacesGeneratedOne(t *testing.T) {
	file := writeConfig(t, adminConfig)
	env := map[string]string{"TOKEN": "configured token", "REDIS_URL": testenv.Redis(t).URL()}
	r := startGateway(t, file, env)
	if link := r.admin.Link(true) + r.admin.Link(false); link != "" {
		t.Errorf("it is printed: %s", link)
	}
	if code, _ := r.getWithToken("/api/status", "configured token"); code != 200 {
		t.Errorf("configured: %d", code)
	}
	delete(env, "TOKEN")
	env["PORT"] = r.port
	r.reloadable(file, env)
	r.reload(testenv.Context(t), "test")
	for token, want := range map[string]int{"": 401, "configured token": 401, r.secret(): 200} {
		if code, _ := r.getWithToken("/api/status", token); code != want {
			t.Errorf("after the reload, %q: %d, want %d", token, code, want)
		}
	}
}

// TestAdminListener proves that an admin listener on a loopback address answers only requests for
// localhost, which prevents DNS rebinding. On another address /api needs the secret.
func TestAdminListener(t *testing.T) {
	port := strconv.Itoa(testenv.FreePort(t))
	local := startGateway(t, writeConfig(t, adminConfig), map[string]string{"ADMIN": "127.0.0.1:" + port})
	paths := []string{"/api/status", "/api/dead-letters", "/metrics", "/readyz", "/healthz", "/"}
	for host, want := range map[string]int{"localhost:" + port: 200, "127.0.0.1": 200, "[::1]:" + port: 200, "shop.example": 403, "localhost.shop.example": 403, "127.0.0.1.shop.example:" + port: 403, "0.0.0.0": 403, "[::]": 403} {
		for _, path := range paths {
			if resp := send(t, "GET", "http://127.0.0.1:"+port+path, host, http.Header{"X-Forwarded-Host": {"localhost"}}); resp.StatusCode != want {
				t.Errorf("%s of %s: %s, want %d", path, host, resp.Status, want)
			}
		}
	}
	if resp := send(t, "GET", "http://127.0.0.1:"+local.port+"/api/status", "localhost", nil); resp.StatusCode == 200 {
		t.Error("the shared listener serves /api, too")
	}
	if local.admin.Link(true) != "" {
		t.Error("a secret was generated that is not needed")
	}
	port = strconv.Itoa(testenv.FreePort(t))
	guarded := startGateway(t, writeConfig(t, adminConfig), map[string]string{"ADMIN": "localhost:" + port, "TOKEN": "configured token"})
	for token, want := range map[string]int{"": 401, "configured token": 200} {
		if resp := send(t, "GET", "http://127.0.0.1:"+port+"/api/status", "localhost", authorization(token)); resp.StatusCode != want {
			t.Errorf("with a configured secret, %q: %s", token, resp.Status)
		}
	}
	if resp := send(t, "GET", "http://127.0.0.1:"+port+"/api/status", "admin.example", authorization("configured token")); resp.StatusCode != 200 {
		t.Errorf("through a proxy, with the secret: %s", resp.Status)
	}
	guarded.stop()
	port = strconv.Itoa(testenv.FreePort(t))
	wide := startGateway(t, writeConfig(t, adminConfig), map[string]string{"ADMIN": ":" + port})
	for _, path := range []string{"/metrics", "/healthz", "/"} {
		if resp := send(t, "GET", "http://127.0.0.1:"+port+path, "admin.example", nil); resp.StatusCode != 200 {
			t.Errorf("on all addresses, %s: %s", path, resp.Status)
		}
	}
	for token, want := range map[string]int{"": 401, wide.secret(): 200} {
		if resp := send(t, "GET", "http://127.0.0.1:"+port+"/api/status", "localhost", authorization(token)); resp.StatusCode != want {
			t.Errorf("on all addresses, with %d characters: %s, want %d", len(token), resp.Status, want)
		}
	}
	if n := testutil.CollectAndCount(wide.http, "gateway_http_connections"); n != 2 {
		t.Errorf("connections of %d listeners are counted", n)
	}
}

// TestSecretWithoutFolderIsInMemory proves that a secret works that cannot be written to a file.
func TestSecretWithoutFolderIsInMemory(t *testing.T) {
	for _, name := range []string{"XDG_STATE_HOME", "HOME", "STATE_DIRECTORY"} {
		t.Setenv(name, "")
	}
	t.Setenv("XDG_STATE_HOME", "/proc/none")
	if _, err := os.Stat("/proc/none"); err == nil {
		t.Fatal("the folder exists")
	}
	r := startGateway(t, writeConfig(t, adminConfig), nil)
	for token, want := range map[string]int{"": 401, r.secret(): 200} {
		if code, _ := r.getWithToken("/api/status", token); code != want {
			t.Errorf("%d, want %d", code, want)
		}
	}
}
